import type {
  CatalogFile,
  FetchedDataset,
  FetchedWeights,
  RunPlan,
  TransferPolicy,
} from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { createDownloadLimits, type DownloadLimits } from '../shared/download/sources/download-limits.ts';
import { inspectArchives, type ArchiveInspection } from './inspect-archives.ts';
import { findMissing, type MissingFile } from './find-missing.ts';
import type { PreparationCall, PreparationContext, PreparationEnvironment } from './preparation-context.ts';
import { prepareDataset } from './prepare-dataset.ts';
import { prepareWeights } from './prepare-weights.ts';
import { allowedSources } from '../plan/transfer-policy.ts';

/** Prepares data sets and weights on the disk of a worker. Complete files are not fetched again. */
export interface InputPreparer {
  dataset: (plan: RunPlan, call: PreparationCall) => Promise<FetchedDataset>;
  weights: (plan: RunPlan, call: PreparationCall) => Promise<FetchedWeights>;
  /** Finds the files of a plan that are not stored yet, without fetching them. */
  findMissing: (plan: RunPlan, files: readonly CatalogFile[], signal: AbortSignal) => Promise<MissingFile[]>;
  /** Finds local files of the data set that have the wrong kind or content, without reading all of it. */
  inspectArchives: (plan: RunPlan, signal: AbortSignal) => Promise<ArchiveInspection>;
}

export const createInputPreparer = (environment: PreparationEnvironment): InputPreparer => {
  // All concurrent downloads of this worker with the same settings share one limit.
  const limitsByPolicy = new Map<string, DownloadLimits>();
  const limitsOf = ({ connections, megabytesPerSecond }: TransferPolicy): DownloadLimits => {
    const key = `${connections} ${megabytesPerSecond ?? 'unlimited'}`;
    const bytesPerSecond = megabytesPerSecond === undefined ? undefined : megabytesPerSecond * 1e6;
    const shared = limitsByPolicy.get(key) ?? createDownloadLimits({ connections, bytesPerSecond });
    limitsByPolicy.set(key, shared);
    return shared;
  };
  const contextOf = ({ input, weights }: RunPlan, call: PreparationCall): PreparationContext => ({
    ...environment,
    ...call,
    policy: allowedSources(environment.catalog, input, environment.demoUrl, [startingWeights(weights).source]),
    limits: limitsOf(input.transfers),
  });
  return {
    dataset: (plan, call) => prepareDataset(plan, contextOf(plan, call)),
    weights: (plan, call) => prepareWeights(plan, contextOf(plan, call)),
    findMissing: (plan, files, signal) => findMissing(files, contextOf(plan, quietly(signal))),
    inspectArchives: (plan, signal) => inspectArchives(plan.dataset, contextOf(plan, quietly(signal))),
  };
};

const quietly = (signal: AbortSignal): PreparationCall => ({ signal, onProgress: () => undefined, fresh: false });
