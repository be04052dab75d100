import { setTimeout as sleep } from 'node:timers/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import type { TrainerEvent } from '../../../configs/schema/index.ts';
import { assertFence } from '../run/fence.ts';
import type { ProgressReader } from '../run/progress-reader.ts';
import { readOutcome, type JobOutcome, type RunningJob } from './trainer-process.ts';

const pollMs = 250;

export interface JobWatch {
  job: JobFolder;
  running: RunningJob;
  /** Token of the watcher, not of the watched: an adopted trainer was started under an older one. */
  fence: number;
  progress: ProgressReader;
  /** What is new since the last call. */
  onEvents: (events: TrainerEvent[]) => void;
}

/**
 * Follows a running job until it has ended. Stops nothing itself; whoever wants the job to end signals it and goes on watching.
 * @throws CodedError StaleAttempt when a newer attempt took over; the signal's reason when `signal` is aborted.
 */
export async function watchJob(
  { job, running, fence, progress, onEvents }: JobWatch,
  signal: AbortSignal,
): Promise<JobOutcome> {
  for (;;) {
    signal.throwIfAborted();
    await assertFence(job, fence);
    const ending = await readOutcome(job, running.owner);
    const events = await progress.readNew(); // after the ending was read, so that none is missed
    if (events.length > 0) onEvents(events);
    if (ending !== undefined) return ending;
    await sleep(pollMs);
  }
}
