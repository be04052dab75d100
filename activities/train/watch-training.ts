import type { RemoteCopy, RunPlan } from '../../configs/schema/index.ts';
import { hostsOf, trainingGpus } from '../../configs/schema/plan-hosts.ts';
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
import type { TrainingRequest } from './training-request.ts';

/** Watches a trainer until it ends. Meanwhile it publishes progress, mirrors the run and passes control updates on. */
export function watchTraining(
  dependencies: TrainDependencies,
  request: TrainingRequest,
  { folder, job, fence, assertFence, running }: EnsuredTrainer,
  progress: AttemptProgress,
  gpuWatch: GpuWatch,
): Promise<JobOutcome> {
  const { plan, control } = request;
  const publisher = new ProgressPublisher(progress, dependencies.home, request, assertFence);
  const onEvents: OnEvents = (events, isLast) => {
    publisher.publish(events, isLast);
    void gpuWatch.onEvents(events, running);
    // After the first step, because its imports would slow down the start.
    if (canUseStandby(dependencies, plan) && progress.watched.firstStepAt !== null)
      dependencies.standbys.prepare(job, dependencies.python, dependencies.device, trainingGpus(plan, control));
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

/** On several hosts, torchrun starts the ranks. */
const canUseStandby = ({ slurm }: TrainDependencies, plan: RunPlan): boolean =>
  plan.recovery.standby && slurm === undefined && hostsOf(plan).length === 0;
