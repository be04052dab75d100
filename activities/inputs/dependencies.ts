import type { InputPreparer } from './input-preparer.ts';

/** Worker dependencies of activities that prepare data sets and weights. */
export interface InputDependencies {
  /** Root folder of all files; see configs/paths.ts. */
  home: string;
  preparer: InputPreparer;
}
