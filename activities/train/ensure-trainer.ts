import { adoptTrainer } from './adopt-trainer.ts';
import { claimRun, type ClaimedRun } from './claim-run.ts';
import type { TrainDependencies } from './dependencies.ts';
import type { GpuWatch } from './gpu-watch.ts';
import { createGpuWaitReporter } from './gpu-wait-reporter.ts';
import { startTrainer, type StartedTrainer } from './start-trainer.ts';
import type { TrainingRequest } from './training-request.ts';
import { TooFewGpus } from '../shared/trainer/start-job.ts';
import { isTransient } from './transient-error.ts';

export interface EnsuredTrainer extends ClaimedRun, StartedTrainer {}

export interface FailedStart {
  error: Error;
  /** Null if the attempt has no fence. */
  fence: number | null;
}

/**
 * Adopts the running trainer, or starts one.
 * @returns the error if the start failed for a reason that may pass, such as a full disk.
 */
export async function ensureTrainer(
  dependencies: TrainDependencies,
  request: TrainingRequest,
  gpuWatch: GpuWatch,
  onGpuWait: (text: string | null) => void,
): Promise<EnsuredTrainer | FailedStart> {
  let run: ClaimedRun | undefined;
  try {
    run = await claimRun(dependencies, request);
    const adopted = await adoptTrainer(run, request);
    if (adopted !== undefined) return { ...run, running: adopted, quarantined: [] };
    const started = await startTrainer(dependencies, run, request, gpuWatch, createGpuWaitReporter(onGpuWait));
    return { ...run, ...started };
  } catch (error) {
    const isPassing = isTransient(error) || (error instanceof TooFewGpus && gpuWatch.mayContinue);
    if (isPassing) return { error, fence: run?.fence ?? null };
    throw error;
  }
}
