import type { Catalog } from '../configs/schema.ts';
import type { ArtifactStore } from './lib/artifacts/artifact-store.ts';
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
  store: ArtifactStore;
  /** Where the embedded stack serves `demo:` addresses; undefined without it. */
  demoUrl: string | undefined;
  versions: { everswin: string; trainerLock: string };
}
