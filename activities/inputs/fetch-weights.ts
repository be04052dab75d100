import type { FetchedWeights, RunPlan } from '../../configs/schema/index.ts';
import type { InputDependencies } from './dependencies.ts';
import { whileObtaining } from './while-obtaining.ts';

/** Fetches the weights that a run begins with, holds them against the recipe and converts them, once for all runs of this worker. */
export const createFetchWeights =
  ({ obtain }: InputDependencies) =>
  (plan: RunPlan): Promise<FetchedWeights> =>
    whileObtaining(plan, (call) => obtain.weights(plan, call));
