import type { Attempt } from '../../configs/schema/index.ts';
import { toFailure } from '../shared/temporal/failure.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { AttemptProgress } from './attempt-progress.ts';
import type { TrainDependencies } from './dependencies.ts';
import { ensureTrainer } from './ensure-trainer.ts';
import { GpuWatch } from './gpu-watch.ts';
import { summarizeAttempt } from './summarize-attempt.ts';
import { summarizeFailedStart } from './summarize-failed-start.ts';
import type { TrainingRequest } from './training-request.ts';
import { watchTraining } from './watch-training.ts';

/**
 * Runs one training attempt, from adopting or starting the trainer until it ends. A crash is a result, not an error: the
 * workflow decides what follows. The activity is safe to run twice, because the fence stops the older attempt.
 */
export const createRunTraining =
  (dependencies: TrainDependencies) =>
  (request: TrainingRequest): Promise<Attempt> => {
    const progress = new AttemptProgress(request);
    // The heartbeat begins at once: hashing a checkpoint of several gigabytes takes longer than its timeout.
    return withHeartbeat(
      () => progress.heartbeatDetails(),
      () => {
        const gpuWatch = new GpuWatch(dependencies, request);
        const run = () => runAttempt(dependencies, request, progress, gpuWatch);
        return dependencies.observe({ request, progress, gpuWatch }, run);
      },
    );
  };

async function runAttempt(
  dependencies: TrainDependencies,
  request: TrainingRequest,
  progress: AttemptProgress,
  gpuWatch: GpuWatch,
): Promise<Attempt> {
  const { home, python } = dependencies;
  const trainer = await ensureTrainer(dependencies, request, gpuWatch, (text) => progress.setGpuWait(text));
  if ('error' in trainer) {
    const attempt = await summarizeFailedStart(home, request, progress, trainer);
    return { ...attempt, gpus: await gpuWatch.summarize([], attempt.failure, null) };
  }
  const { running, fence } = trainer;
  progress.followTrainer(running, fence);
  try {
    const watch = () => watchTraining(dependencies, request, trainer, progress, gpuWatch);
    const outcome = await gpuWatch.during(running, watch);
    const attempt = await summarizeAttempt(python, request, trainer, outcome, progress);
    if (attempt.outcome === 'crashed' || attempt.outcome === 'hung') dependencies.standbys.endWhenIdle(trainer.job);
    else dependencies.standbys.end(trainer.job);
    const exit = 'exit' in outcome ? outcome.exit : null;
    return { ...attempt, gpus: await gpuWatch.summarize(running.owner.gpus, attempt.failure, exit) };
  } catch (error) {
    dependencies.standbys.end(trainer.job);
    throw toFailure(error, progress.heartbeatDetails());
  }
}
