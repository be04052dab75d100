import type { Catalog, DetectorReference, FlattenedRecipe, PlannedWeights } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import type { OpenStore } from '../shared/store/artifact-store.ts';

export interface WeightsContext {
  home: string;
  catalog: Catalog;
  openStore: OpenStore;
  signal: AbortSignal;
}

/** Weights of an earlier training, with the recipe that it used. */
export interface TrainedWeights {
  weights: PlannedWeights;
  recipe: Pick<FlattenedRecipe, 'name' | 'settings'>;
}

/** A name of weights, and where to look for it. */
export interface WeightsSearch<Kind extends DetectorReference['kind']> {
  reference: Extract<DetectorReference, { kind: Kind }>;
  /** `weights.detector` of the input. */
  name: string;
  /** Artifact stores to search: that of the run, then the local one. */
  stores: readonly string[];
  /** Empty folder for downloads. */
  folder: string;
}

/** Creates the error for a name that leads to no weights. */
export const weightsNotFound = (name: string, message: string): CodedError =>
  new CodedError('WeightsNotFound', `weights.detector "${name}": ${message}`);
