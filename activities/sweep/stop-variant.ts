import { Context } from '@temporalio/activity';
import { statusQueryName, updateNames, workflowId } from '../../configs/names.ts';
import { RunStatus } from '../../configs/schema/index.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';

/** How often the run may be faster than the question. */
const tries = 3;

/**
 * Ends a training after the epoch that runs, with validation, test and report: as a person would by `stopAfterEpoch`.
 * @returns after which epoch; null where there is nothing left to stop. Asking twice is asking once.
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

/** False where it was refused: that epoch is over by now, or all of the training is. */
async function requestStop(runId: string, afterEpoch: number): Promise<boolean> {
  const { client } = Context.current();
  try {
    await client.workflow
      .getHandle(workflowId(runId))
      .executeUpdate(updateNames.stopAfterEpoch, { args: [afterEpoch] });
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'WorkflowUpdateFailedError') return false;
    throw error;
  }
}
