import type {
  CatalogFile,
  FetchedDataset,
  FetchedWeights,
  RunPlan,
  TransferPolicy,
} from '../../configs/schema/index.ts';
import { createDownloadLimits, type DownloadLimits } from '../shared/download/sources/download-limits.ts';
import { findMissing, type MissingFile } from './find-missing.ts';
import type { PreparationCall, PreparationContext, PreparationEnvironment } from './preparation-context.ts';
import { prepareDataset } from './prepare-dataset.ts';
import { prepareWeights } from './prepare-weights.ts';
import { allowedSources } from '../plan/transfer-policy.ts';

/** How a worker comes by what a run needs on its own disk. What is there already, whole, is not fetched again. */
export interface InputPreparer {
  dataset: (plan: RunPlan, call: PreparationCall) => Promise<FetchedDataset>;
  weights: (plan: RunPlan, call: PreparationCall) => Promise<FetchedWeights>;
  /** Which of a plan's files are still to be fetched. Nothing is fetched for it. */
  findMissing: (plan: RunPlan, files: readonly CatalogFile[], signal: AbortSignal) => Promise<MissingFile[]>;
}

export const createInputPreparer = (place: PreparationEnvironment): InputPreparer => {
  // One limit for all that this worker fetches at once under the same settings.
  const limits = new Map<string, DownloadLimits>();
  const limitsOf = ({ connections, megabytesPerSecond }: TransferPolicy): DownloadLimits => {
    const key = `${connections} ${megabytesPerSecond ?? 'unlimited'}`;
    const bytesPerSecond = megabytesPerSecond === undefined ? undefined : megabytesPerSecond * 1e6;
    const shared = limits.get(key) ?? createDownloadLimits({ connections, bytesPerSecond });
    limits.set(key, shared);
    return shared;
  };
  const contextOf = ({ input }: RunPlan, call: PreparationCall): PreparationContext => ({
    ...place,
    ...call,
    policy: allowedSources(place.catalog, input, place.demoUrl),
    limits: limitsOf(input.transfers),
  });
  return {
    dataset: (plan, call) => prepareDataset(plan, contextOf(plan, call)),
    weights: (plan, call) => prepareWeights(plan, contextOf(plan, call)),
    findMissing: (plan, files, signal) =>
      findMissing(files, contextOf(plan, { signal, onProgress: () => undefined, fresh: false })),
  };
};
