import type { MirrorDependencies } from '../mirror/dependencies.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

/** Worker resources that comparing and publishing models needs. */
export interface RetrainDependencies extends MirrorDependencies {
  recipesFolder: string;
  python: PythonCommand;
}
