import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError, type Workflow, type WorkflowHandle, type WorkflowResultType } from '@temporalio/client';

const pollMs = 1_000;

/**
 * Calls `poll` every second until the workflow ends, and once more afterwards. Keeps waiting while the server is
 * unavailable.
 * @returns the result of the workflow.
 * @throws WorkflowFailedError
 */
export async function waitForResult<T extends Workflow>(
  handle: WorkflowHandle<T>,
  poll: () => Promise<void>,
): Promise<WorkflowResultType<T>> {
  const ended = new AbortController();
  const result = resultOf(handle);
  result.catch(() => undefined).finally(() => ended.abort());
  while (!ended.signal.aborted) {
    await poll();
    await sleep(pollMs, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  await poll(); // the final status explains why the workflow ended
  return result;
}

async function resultOf<T extends Workflow>(handle: WorkflowHandle<T>): Promise<WorkflowResultType<T>> {
  for (;;) {
    try {
      return await handle.result();
    } catch (error) {
      if (error instanceof WorkflowFailedError) throw error;
      await sleep(pollMs);
    }
  }
}
