import type { Attempt, GpuHealth } from '../../configs/schema/index.ts';
import type { InputDependencies } from '../inputs/dependencies.ts';
import type { MirrorDependencies } from '../mirror/dependencies.ts';
import type { GpuHealthSettings } from '../shared/trainer/gpu-health.ts';
import type { StandbyTrainers } from '../shared/trainer/standby-trainers.ts';
import type { Device, Slurm, TrainerPrograms } from '../shared/trainer/trainer-argv.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';
import type { AttemptProgress } from './attempt-progress.ts';
import type { TrainingRequest } from './training-request.ts';

/** Sharing of this machine's GPUs among jobs. */
interface GpuSharing extends GpuHealthSettings {
  /** Runs the work of a job that holds its GPUs; before that, the worker counts the activity as waiting. */
  withGpusHeld: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Dependencies that determine the GPU request of a job. */
export interface GpuDependencies {
  gpus: GpuSharing;
  device: Device;
  /** Undefined if the supervisor starts torchrun on this machine. */
  slurm: Slurm | undefined;
}

/** A training attempt, as the metrics of the worker see it. */
export interface ObservedTraining {
  request: TrainingRequest;
  progress: AttemptProgress;
  /** Newest reading of the health of the GPUs. */
  gpuWatch: { readonly latest: GpuHealth | undefined };
}

/** Dependencies of the training and test activities. */
export interface TrainDependencies extends InputDependencies, MirrorDependencies, GpuDependencies {
  recipesFolder: string;
  python: PythonCommand;
  /** Programs that the supervisor runs to train and to test. */
  programs: TrainerPrograms;
  standbys: StandbyTrainers;
  /** Runs an attempt, and measures it meanwhile. */
  observe: (training: ObservedTraining, work: () => Promise<Attempt>) => Promise<Attempt>;
  /** Host name or IP address by which other hosts reach this machine. */
  address: string;
}
