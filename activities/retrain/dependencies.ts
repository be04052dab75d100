import type { MirrorDependencies } from '../mirror/dependencies.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

/** What comparing and publishing models needs from the worker. */
export interface RetrainDependencies extends MirrorDependencies {
  recipesFolder: string;
  python: PythonCommand;
}
