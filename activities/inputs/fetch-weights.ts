import type { FetchedWeights, RunPlan } from '../../configs/schema/index.ts';
import type { InputDependencies } from './dependencies.ts';
import { withPreparationProgress } from './preparation-progress.ts';

/** Creates the activity that downloads the initial weights, matches them with the recipe and converts them, once per worker. */
export const createFetchWeights =
  ({ preparer: obtain }: InputDependencies) =>
  (plan: RunPlan): Promise<FetchedWeights> =>
    withPreparationProgress(plan, (call) => obtain.weights(plan, call));
