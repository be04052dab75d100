import { setTimeout as sleep } from 'node:timers/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { assertFence } from '../run/fence.ts';
import type { OnEvents, ProgressReader } from '../run/progress-reader.ts';
import { readOutcome, type JobOutcome, type RunningJob } from './trainer-process.ts';

const pollMs = 250;

export interface JobWatch {
  job: JobFolder;
  running: RunningJob;
  /** Fence of the watching attempt; an adopted trainer started under an older one. */
  fence: number;
  progress: ProgressReader;
  onEvents: OnEvents;
}

/**
 * Polls a running job until it ends. To stop the job, signal it and keep watching.
 * @throws CodedError StaleAttempt when a newer attempt took over; the signal's reason when `signal` is aborted.
 */
export async function watchJob(
  { job, running, fence, progress, onEvents }: JobWatch,
  signal: AbortSignal,
): Promise<JobOutcome> {
  for (;;) {
    signal.throwIfAborted();
    await assertFence(job, fence);
    const outcome = await readOutcome(job, running.owner);
    await progress.readNew(onEvents); // after the outcome, so that no event is missed
    if (outcome !== undefined) return outcome;
    await sleep(pollMs);
  }
}
