import type { Catalog, Versions } from '../configs/schema/index.ts';
import type { ArtifactStore } from './shared/store/artifact-store.ts';
import type { NotifyPlace } from './notify/notify-place.ts';
import type { Obtain } from './inputs/obtain.ts';
import type { Device, Slurm, TrainerPrograms } from './shared/trainer/trainer-argv.ts';
import type { PythonCommand } from './shared/trainer/trainer-process.ts';

/** How the GPUs of this machine are shared out. */
export interface GpuSharing {
  /** Leases and queue: one folder for all workers of the machine. */
  folder: string;
  /** MiB of a GPU that processes which are none of ours may use. */
  foreignMib: number;
  /** Runs what an activity does from the moment on that its job has GPUs: until then the worker counts it as waiting. */
  whileHolding: <T>(work: () => Promise<T>) => Promise<T>;
}

/** All that activities need from the place where they run; made once by the worker. */
export interface ActivityDependencies {
  /** Root of everything on disk: configs/paths.ts. */
  home: string;
  recipesFolder: string;
  catalog: Catalog;
  python: PythonCommand;
  /** What the supervisor runs to train and to test. */
  programs: TrainerPrograms;
  device: Device;
  gpus: GpuSharing;
  /** By which others reach this machine: a name or an IP address. */
  address: string;
  /** Undefined: the supervisor starts torchrun itself, on this machine. */
  slurm: Slurm | undefined;
  obtain: Obtain;
  /** `local`, or an address such as `s3://bucket/prefix`. */
  openStore: (address: string) => ArtifactStore;
  /** Where S3 is, for stores that another process opens. Undefined: AWS, and its usual region. */
  s3Server: { endpoint: string | undefined; region: string | undefined };
  /** Where the embedded stack serves the pages of runs; undefined where nothing does. */
  pagesUrl: string | undefined;
  versions: Versions;
  /** Where notifications go, by the names that an input may use. */
  notifyPlaces: ReadonlyMap<string, NotifyPlace>;
}
