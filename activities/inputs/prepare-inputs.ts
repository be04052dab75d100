import { Context } from '@temporalio/activity';
import { runFolder } from '../../configs/paths.ts';
import type { FetchedDataset, FetchedWeights, RunPlan } from '../../configs/schema/index.ts';
import type { InputDependencies } from './dependencies.ts';
import { writeReferences } from '../plan/references.ts';

export interface TrainingInputs {
  dataset: FetchedDataset;
  weights: FetchedWeights;
}

/** Prepares data and weights on this machine. Usually both are cached; a run that moved here fetches them again. */
export async function prepareInputs(
  { home, preparer: obtain }: InputDependencies,
  plan: RunPlan,
): Promise<TrainingInputs> {
  const call = { onProgress: () => undefined, signal: Context.current().cancellationSignal, fresh: false };
  const [dataset, weights] = await Promise.all([obtain.dataset(plan, call), obtain.weights(plan, call)]);
  await writeReferences(runFolder(home, plan.runId), dataset, weights);
  return { dataset, weights };
}
