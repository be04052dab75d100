import { userInfo } from 'node:os';
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { toName, type NamedWorkflow } from './find-workflow.ts';

/** An activity that a person paused in the Temporal UI or with `temporal activity pause`. Its workflow is not told. */
interface PausedActivity {
  id: string;
  type: string;
  /** Who paused it, and why, as far as Temporal knows. */
  who: string;
}

function listPausedActivities({ raw }: WorkflowExecutionDescription): PausedActivity[] {
  return (raw.pendingActivities ?? [])
    .filter(({ paused }) => paused)
    .map(({ activityId, activityType, pauseInfo }) => {
      const { identity, reason } = pauseInfo?.manual ?? {};
      const by = identity ? ` by ${identity}` : '';
      return { id: activityId ?? '', type: activityType?.name ?? '', who: `${by}${reason ? ` (${reason})` : ''}` };
    });
}

/** Formats what waits because a person paused it in Temporal, and how to continue; undefined if nothing does. */
export function formatPausedActivities(description: WorkflowExecutionDescription): string | undefined {
  const paused = listPausedActivities(description);
  if (paused.length === 0) return undefined;
  const activities = paused.map(({ type, who }) => `${type}${who}`).join(', ');
  return `Paused in Temporal: ${activities}. Nothing is lost. Continue: everswin resume ${toName(description.workflowId)}`;
}

/** Continues the activities that a person paused in Temporal. @returns their types. */
export async function unpauseActivities(client: Client, { description }: NamedWorkflow): Promise<string[]> {
  const { namespace } = client.options;
  const { workflowId, runId } = description;
  const paused = listPausedActivities(description);
  for (const { id } of paused) {
    const identity = userInfo().username;
    await client.workflowService.unpauseActivity({ namespace, execution: { workflowId, runId }, id, identity });
  }
  return paused.map(({ type }) => type);
}
