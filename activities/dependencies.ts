import type { Catalog, Versions } from '../configs/schema.ts';
import type { ArtifactStore } from './lib/artifacts/artifact-store.ts';
import type { Obtain } from './lib/obtain/obtain.ts';
import type { Device, TrainerPrograms } from './lib/trainer-argv.ts';
import type { PythonCommand } from './lib/trainer-process.ts';

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
  obtain: Obtain;
  /** `local`, or an address such as `s3://bucket/prefix`. */
  openStore: (address: string) => ArtifactStore;
  /** Where S3 is, for stores that another process opens. Undefined: AWS, and its usual region. */
  s3Server: { endpoint: string | undefined; region: string | undefined };
  versions: Versions;
}
