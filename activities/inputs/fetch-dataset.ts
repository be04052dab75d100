import type { FetchedDataset, RunPlan } from '../../configs/schema/index.ts';
import type { InputDependencies } from './dependencies.ts';
import { withPreparationProgress } from './preparation-progress.ts';

/** Creates the activity that downloads, verifies and indexes a data set, once for all runs of this worker. */
export const createFetchDataset =
  ({ preparer: obtain }: InputDependencies) =>
  (plan: RunPlan): Promise<FetchedDataset> =>
    withPreparationProgress(plan, (call) => obtain.dataset(plan, call));
