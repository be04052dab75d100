import type { FetchedWeights, RunPlan } from '../../configs/schema/index.ts';
import type { InputDependencies } from './dependencies.ts';
import { withPreparationProgress } from './preparation-progress.ts';

/** Fetches the weights that a run begins with, holds them against the recipe and converts them, once for all runs of this worker. */
export const createFetchWeights =
  ({ preparer: obtain }: InputDependencies) =>
  (plan: RunPlan): Promise<FetchedWeights> =>
    withPreparationProgress(plan, (call) => obtain.weights(plan, call));
