import { Context } from '@temporalio/activity';
import { statusQueryName, updateNames, workflowId } from '../../configs/names.ts';
import { RunStatus } from '../../configs/schema/index.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';

/** Attempts, because the epoch may end between query and update. */
const tries = 3;

/**
 * Stops a training after the current epoch, with validation, test and report, by the `stopAfterEpoch` update. Idempotent.
 * @returns that epoch, or null if the training is over.
 */
export const createStopVariant =
  () =>
  ({ runId }: { runId: string }): Promise<{ afterEpoch: number | null }> =>
    withHeartbeat(
      () => `stopping ${runId}`,
      async () => {
        for (let left = tries; left > 0; left--) {
          const afterEpoch = await findLastEpoch(runId);
          if (afterEpoch === null || (await requestStop(runId, afterEpoch))) return { afterEpoch };
        }
        return { afterEpoch: null };
      },
    );

async function findLastEpoch(runId: string): Promise<number | null> {
  const { client } = Context.current();
  const status = RunStatus.parse(await client.workflow.getHandle(workflowId(runId)).query(statusQueryName));
  const running = status.progress?.epoch;
  return status.stage === 'training' && running !== undefined ? Math.max(1, running) : null;
}

/** @returns false if the update was rejected because the epoch or the training is over. */
async function requestStop(runId: string, afterEpoch: number): Promise<boolean> {
  const { client } = Context.current();
  try {
    await client.workflow
      .getHandle(workflowId(runId))
      .executeUpdate(updateNames.stopAfterEpoch, { args: [afterEpoch, 'the early-stop rule of the sweep'] });
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'WorkflowUpdateFailedError') return false;
    throw error;
  }
}
