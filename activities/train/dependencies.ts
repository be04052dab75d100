import type { InputDependencies } from '../inputs/dependencies.ts';
import type { MirrorDependencies } from '../mirror/dependencies.ts';
import type { Device, Slurm, TrainerPrograms } from '../shared/trainer/trainer-argv.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

/** How the GPUs of this machine are shared out. */
export interface GpuSharing {
  /** Leases and queue: one folder for all workers of the machine. */
  folder: string;
  /** MiB of a GPU that processes which are none of ours may use. */
  foreignMib: number;
  /** Runs what an activity does from the moment on that its job has GPUs: until then the worker counts it as waiting. */
  withGpusHeld: <T>(work: () => Promise<T>) => Promise<T>;
}

/** What decides which GPUs a job asks for. */
export interface GpuDependencies {
  gpus: GpuSharing;
  device: Device;
  /** Undefined: the supervisor starts torchrun itself, on this machine. */
  slurm: Slurm | undefined;
}

/** What running trainers, to train or to test, needs from the worker. */
export interface TrainDependencies extends InputDependencies, MirrorDependencies, GpuDependencies {
  recipesFolder: string;
  python: PythonCommand;
  /** What the supervisor runs to train and to test. */
  programs: TrainerPrograms;
  /** By which others reach this machine: a name or an IP address. */
  address: string;
}
