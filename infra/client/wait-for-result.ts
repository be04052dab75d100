import { setTimeout as sleep } from 'node:timers/promises';
import {
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Workflow,
  type WorkflowHandle,
  type WorkflowResultType,
} from '@temporalio/client';
import { explainSilence, serverTimeoutMs } from './explain-silence.ts';
import type { WatchServer } from './watch-server.ts';

const pollMs = 1_000;

interface Following<T extends Workflow> {
  /** Called every second until the workflow ends, and once more afterwards. @returns whether a worker answered. */
  poll: (handle: WorkflowHandle<T>) => Promise<boolean>;
  log: (line: string) => void;
  /** Finds the workflow again when the server has another address after an outage. */
  watchServer?: WatchServer | undefined;
  /** Time without an answer before the log explains it; a busy control worker answers later than an idle one. */
  silenceMs?: number;
}

/**
 * Follows a workflow until it ends, and says what it waits for while the server or the control worker does not answer.
 * @returns the result of the workflow.
 * @throws WorkflowFailedError; WorkflowNotFoundError when another server runs at the address.
 */
export async function waitForResult<T extends Workflow>(
  first: WorkflowHandle<T>,
  { poll, log, watchServer, silenceMs = 15_000 }: Following<T>,
): Promise<WorkflowResultType<T>> {
  const ended = new AbortController();
  const result = Promise.withResolvers<WorkflowResultType<T>>();
  result.promise.catch(() => undefined).finally(() => ended.abort());
  let handle = first;
  let polling = Promise.resolve(true);
  let moved = Promise.withResolvers<boolean>();
  /** Calls to earlier addresses. Closing their connection before the client has given up would end the process. */
  const calls: Promise<unknown>[] = [];
  const follow = (now: WorkflowHandle<T>) => {
    handle = now;
    moved.resolve(true); // ends a poll of the old address
    moved = Promise.withResolvers();
    calls.push(polling, resultOf(now, ended.signal).then(result.resolve, result.reject));
  };
  follow(first);
  const watching = watchServer?.({ handle, log, signal: ended.signal, onMoved: follow });
  let answeredAt = performance.now();
  let saysSilence = false;
  while (!ended.signal.aborted) {
    polling = poll(handle);
    if (await Promise.race([polling, moved.promise])) {
      answeredAt = performance.now();
      saysSilence = false;
    } else if (!saysSilence && performance.now() - answeredAt > silenceMs) {
      const silence = await formatSilence(handle, performance.now() - answeredAt);
      saysSilence = silence !== undefined;
      if (silence !== undefined) log(silence);
      else answeredAt = performance.now(); // the worker is silent only while the server answers
    }
    await sleep(pollMs, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  await poll(handle); // the final status explains why the workflow ended
  await Promise.allSettled([...calls, watching]);
  return result.promise;
}

async function resultOf<T extends Workflow>(
  handle: WorkflowHandle<T>,
  signal: AbortSignal,
): Promise<WorkflowResultType<T>> {
  for (;;) {
    try {
      return await handle.result();
    } catch (error) {
      if (error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError) throw error;
      if (signal.aborted) throw error;
      await sleep(pollMs);
    }
  }
}

/** Explains why no control worker answers; undefined while the server does not answer; watch-server.ts reports one that is gone. */
async function formatSilence(handle: WorkflowHandle, silentMs: number): Promise<string | undefined> {
  const describe = () => handle.describe();
  // Without a deadline, the client repeats it through an outage, which would count as silence of the worker.
  const description = await handle.client.withDeadline(Date.now() + serverTimeoutMs, describe).catch(() => undefined);
  if (description === undefined) return undefined;
  const { taskQueue } = description;
  const { message } = await explainSilence({ handle, taskQueue, seconds: Math.round(silentMs / 1000) });
  return `${message} Waiting …`;
}
