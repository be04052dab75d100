import type {
  CatalogFile,
  FetchedDataset,
  FetchedWeights,
  RunPlan,
  TransferPolicy,
} from '../../configs/schema/index.ts';
import { createDownloadLimits, type DownloadLimits } from '../shared/download/sources/download-limits.ts';
import { findMissing, type MissingFile } from './find-missing.ts';
import type { ObtainCall, ObtainContext, ObtainPlace } from './obtain-context.ts';
import { obtainDataset } from './obtain-dataset.ts';
import { obtainWeights } from './obtain-weights.ts';
import { allowedSources } from '../plan/transfer-policy.ts';

/** How a worker comes by what a run needs on its own disk. What is there already, whole, is not fetched again. */
export interface Obtain {
  dataset: (plan: RunPlan, call: ObtainCall) => Promise<FetchedDataset>;
  weights: (plan: RunPlan, call: ObtainCall) => Promise<FetchedWeights>;
  /** Which of a plan's files are still to be fetched. Nothing is fetched for it. */
  findMissing: (plan: RunPlan, files: readonly CatalogFile[], signal: AbortSignal) => Promise<MissingFile[]>;
}

export const createObtain = (place: ObtainPlace): Obtain => {
  // One limit for all that this worker fetches at once under the same settings.
  const limits = new Map<string, DownloadLimits>();
  const limitsOf = ({ connections, megabytesPerSecond }: TransferPolicy): DownloadLimits => {
    const key = `${connections} ${megabytesPerSecond ?? 'unlimited'}`;
    const bytesPerSecond = megabytesPerSecond === undefined ? undefined : megabytesPerSecond * 1e6;
    const shared = limits.get(key) ?? createDownloadLimits({ connections, bytesPerSecond });
    limits.set(key, shared);
    return shared;
  };
  const contextOf = ({ input }: RunPlan, call: ObtainCall): ObtainContext => ({
    ...place,
    ...call,
    policy: allowedSources(place.catalog, input, place.demoUrl),
    limits: limitsOf(input.transfers),
  });
  return {
    dataset: (plan, call) => obtainDataset(plan, contextOf(plan, call)),
    weights: (plan, call) => obtainWeights(plan, contextOf(plan, call)),
    findMissing: (plan, files, signal) =>
      findMissing(files, contextOf(plan, { signal, onProgress: () => undefined, fresh: false })),
  };
};
