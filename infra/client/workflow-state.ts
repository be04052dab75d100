import type { WorkflowExecutionInfo } from '@temporalio/client';
import { formatState } from '../../activities/shared/summary/format-state.ts';

/** Returns the search attributes of a workflow, by name. */
export const attributesOf = ({
  typedSearchAttributes,
}: Pick<WorkflowExecutionInfo, 'typedSearchAttributes'>): Record<string, unknown> =>
  Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));

/** Returns the word for the state of a workflow: see formatState. */
export const stateOf = (workflow: Pick<WorkflowExecutionInfo, 'status' | 'typedSearchAttributes'>): string =>
  formatState(workflow.status.name, attributesOf(workflow)['Phase']);
