import type { RemoteCopy, RunPlan } from '../../configs/schema/index.ts';
import { withMirror } from '../mirror/mirror.ts';
import type { OnEvents } from '../shared/run/progress-reader.ts';
import type { JobOutcome } from '../shared/trainer/trainer-process.ts';
import type { AttemptProgress } from './attempt-progress.ts';
import type { TrainDependencies } from './dependencies.ts';
import type { EnsuredTrainer } from './ensure-trainer.ts';
import { withControlUpdates } from './control-updates.ts';
import { followJob } from './follow-job.ts';
import type { GpuWatch } from './gpu-watch.ts';
import { ProgressPublisher } from './progress-publisher.ts';

/** Watches a trainer until it ends. Meanwhile it publishes progress, mirrors the run and passes control updates on. */
export function watchTraining(
  dependencies: TrainDependencies,
  plan: RunPlan,
  { folder, job, fence, assertFence, running }: EnsuredTrainer,
  progress: AttemptProgress,
  gpuWatch: GpuWatch,
): Promise<JobOutcome> {
  const publisher = new ProgressPublisher(progress, dependencies.home, plan.runId, assertFence);
  const onEvents: OnEvents = (events, isLast) => {
    publisher.publish(events, isLast);
    void gpuWatch.onEvents(events, running);
  };
  const onFolderLost = () => progress.setFolderLost();
  const { drains } = dependencies;
  const progressFile = folder.train.progress;
  const follow = () => followJob({ job, running, fence, progressFile, drains, onEvents, onFolderLost });
  const followWithControl = () =>
    withControlUpdates(folder.train, fence, ({ epochs }) => progress.setEpochs(epochs), follow);
  const onRemote = (copy: RemoteCopy) => progress.setRemoteCopy(copy);
  const followWithMirror = () => withMirror({ dependencies, plan, fence, running, onRemote }, followWithControl);
  return dependencies.gpus.withGpusHeld(followWithMirror).finally(() => publisher.settled());
}
