import { WorkflowNotFoundError, type Client, type WorkflowExecutionDescription } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import { formatInstant } from '../../activities/shared/summary/format-time.ts';
import { ownWorkflows, workflowId, workflowIdPrefix } from '../../configs/names.ts';
import { findSimilar } from '../../configs/schema/did-you-mean.ts';

/** A workflow that the user named. */
export interface NamedWorkflow {
  /** Name to print and type: the name of a training, or the workflow id of another workflow. */
  name: string;
  handle: WorkflowHandle;
  description: WorkflowExecutionDescription;
}

/** Returns the workflow id for the name of a training, or for a workflow id such as `retrain:shapes`. */
export function toWorkflowId(typed: string): string {
  if (!typed.includes(':')) return workflowId(typed);
  return typed.startsWith(workflowIdPrefix) ? typed : `${workflowIdPrefix}${typed}`;
}

/** Returns the name that a user types for a workflow id. */
export function toName(id: string): string {
  const prefix = [workflowId(''), workflowIdPrefix].find((start) => id.startsWith(start)) ?? '';
  return id.slice(prefix.length);
}

/**
 * Finds the newest execution of a workflow. Needs no worker.
 * @param typed name of a training, or a workflow id.
 * @throws Error if there is none.
 */
export async function findWorkflow(client: Client, typed: string): Promise<NamedWorkflow> {
  const id = toWorkflowId(typed);
  const handle = client.workflow.getHandle(id);
  const name = toName(id);
  try {
    return { name, handle, description: await handle.describe() };
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    const similar = findSimilar(name, await listNames(client));
    const suggestion = similar === undefined ? '' : ` Did you mean ${similar}?`;
    throw new Error(`Run ${name} does not exist.${suggestion} List the runs: everswin status`, { cause: error });
  }
}

/** Number of workflows that are compared with a misspelled name. */
const mostNames = 200;

/** Lists the names of the newest workflows; none if the server cannot list them. */
async function listNames(client: Client): Promise<string[]> {
  const names = new Set<string>();
  try {
    for await (const { workflowId: id } of client.workflow.list({ query: ownWorkflows, pageSize: mostNames })) {
      names.add(toName(id));
      if (names.size === mostNames) break;
    }
  } catch {
    return []; // the message is complete without a suggestion
  }
  return [...names];
}

/** @throws Error that says how and when the workflow ended, unless it is running. */
export function requireRunning(workflow: NamedWorkflow): void {
  if (workflow.description.status.name !== 'RUNNING') throw new Error(formatEnd(workflow));
}

/** Formats how and when a workflow ended: `demo has already ended: completed at 2026-08-14`. */
export function formatEnd({ name, description }: Pick<NamedWorkflow, 'name' | 'description'>): string {
  const { status, closeTime } = description;
  const how = status.name.toLowerCase().replaceAll('_', ' ');
  const when = closeTime === undefined ? '' : ` at ${formatInstant(closeTime.getTime() / 1000)}`;
  return `${name} has already ended: ${how}${when}. Details: everswin status ${name}`;
}
