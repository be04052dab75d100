import type { InputPreparer } from './input-preparer.ts';

/** What making data sets and weights ready needs from the worker. */
export interface InputDependencies {
  /** Root of everything on disk: configs/paths.ts. */
  home: string;
  preparer: InputPreparer;
}
