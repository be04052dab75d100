import { patched } from '@temporalio/workflow';
import type { FetchedDataset, FetchedWeights, RunPlan } from '../../configs/schema/index.ts';
import { transfer } from '../support/policies.ts';
import { repeatPreparation } from './patches.ts';
import { repeatStep, type StepHost } from './repeat-step.ts';

/** Fetches data set and weights at the same time. Also the preparation may crash, or meet a storage that is away. */
export function fetchInputs(host: StepHost, planned: RunPlan): Promise<[FetchedDataset, FetchedWeights]> {
  const repeat = patched(repeatPreparation)
    ? <T>(name: string, work: () => Promise<T>) => repeatStep(host, name, work)
    : <T>(_name: string, work: () => Promise<T>) => work();
  return Promise.all([
    repeat('The preparation of the data set', () => transfer.fetchDataset(planned)),
    repeat('The preparation of the weights', () => transfer.fetchWeights(planned)),
  ]);
}
