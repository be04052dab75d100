import type { MirrorDependencies } from '../mirror/dependencies.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

/** Worker dependencies of the activities that compare and publish models. */
export interface RetrainDependencies extends MirrorDependencies {
  recipesFolder: string;
  python: PythonCommand;
}
