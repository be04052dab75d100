import { namespace } from '../../configs/names.ts';
import type { StackFile } from '../stack/stack-file.ts';

/** Returns the address of a workflow in the Temporal UI; undefined for a server other than the stack of this folder. */
export const workflowPage = (stack: StackFile | undefined, workflowId: string): string | undefined =>
  stack === undefined
    ? undefined
    : `${stack.uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(workflowId)}`;
