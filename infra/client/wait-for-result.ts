import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError, type Workflow, type WorkflowHandle, type WorkflowResultType } from '@temporalio/client';

const pollMs = 1_000;

/**
 * Looks at a workflow every second until it has ended, and once more then. Outlives a server that is away for a while.
 * @returns its result. @throws WorkflowFailedError.
 */
export async function waitForResult<T extends Workflow>(
  handle: WorkflowHandle<T>,
  look: () => Promise<void>,
): Promise<WorkflowResultType<T>> {
  const ended = new AbortController();
  const result = resultOf(handle);
  result.catch(() => undefined).finally(() => ended.abort());
  while (!ended.signal.aborted) {
    await look();
    await sleep(pollMs, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  await look(); // what it said last: why it stopped, and what is safe
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
