import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import {
  parseDetectorName,
  RunPlan,
  type DetectorReference,
  type FlattenedRecipe,
  type PlannedWeights,
  type RunInput,
} from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { withScratchFolder } from '../shared/files/scratch-folder.ts';
import { readJson } from '../shared/files/json-file.ts';
import { findCatalogEntry } from '../plan/find-catalog-entry.ts';
import type { FindWeights } from '../plan/make-plan.ts';
import { findModelWeights } from './find-model-weights.ts';
import { findRunWeights } from './find-run-weights.ts';
import { requireSameModel } from './require-same-model.ts';
import { weightsNotFound, type TrainedWeights, type WeightsContext } from './weights-search.ts';

/** Creates the function that finds the starting weights of a plan. */
export const createFindWeights =
  (environment: Omit<WeightsContext, 'signal'>): FindWeights =>
  (input, planned, signal) =>
    findWeights({ ...environment, signal }, input, planned);

/**
 * Finds the exact file of the starting weights. A run that is started again keeps the file of its first start, even if
 * a champion or a file has changed since.
 * @throws CodedError NotInCatalog or WeightsNotFound, which list what exists.
 */
async function findWeights(
  context: WeightsContext,
  input: RunInput,
  { runId, recipe }: { runId: string; recipe: FlattenedRecipe },
): Promise<RunPlan['weights']> {
  const { backbone, detector } = input.weights;
  const entries = { ...context.catalog.weights, ...input.catalog.weights };
  const ofCatalog = (id: string) => ({ id, source: findCatalogEntry(entries, id, 'weights').source });
  if (detector === undefined) return { backbone: ofCatalog(backbone ?? '') };
  const reference = parseDetectorName(detector);
  if (reference === undefined || reference.kind === 'catalog') return { detector: ofCatalog(detector) };
  const planned = await findPlannedWeights(context, runId, detector);
  if (planned !== undefined) return { detector: planned };
  if (reference.kind === 'file') return { detector: await fileWeights(detector, reference.url) };
  const found = await findTrainedWeights(context, input, reference, detector);
  requireSameModel(found, recipe, detector);
  return { detector: found.weights };
}

/** Returns the weights of an earlier start of the same run. */
async function findPlannedWeights(
  { home }: WeightsContext,
  runId: string,
  name: string,
): Promise<PlannedWeights | undefined> {
  const plan = await readJson(runFolder(home, runId).plan, RunPlan);
  if (plan?.input.weights.detector !== name) return undefined;
  const { part, ...weights } = startingWeights(plan.weights);
  return part === 'detector' && weights.source.sha256 !== null ? weights : undefined;
}

function findTrainedWeights(
  context: WeightsContext,
  input: RunInput,
  reference: Extract<DetectorReference, { kind: 'run' | 'model' }>,
  name: string,
): Promise<TrainedWeights> {
  const stores = [...new Set([input.artifacts.store, 'local'])];
  return withScratchFolder(homeFolders(context.home).downloads, (folder) => {
    const search = { name, stores, folder };
    if (reference.kind === 'run') return findRunWeights(context, { ...search, reference });
    return findModelWeights(context, { ...search, reference });
  });
}

/** A file without a hash is a mutable source: its content at the start of the run is imported. */
async function fileWeights(name: string, url: string): Promise<PlannedWeights> {
  await refuseFolder(name, fileURLToPath(url));
  const base = decodeURIComponent(url.slice(url.lastIndexOf('/') + 1));
  const file = base.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^[._-]+/, '');
  return { id: name, source: { file: file.slice(-128) || 'weights', urls: [url], bytes: null, sha256: null } };
}

/** A missing file is explained by the check of the inputs, which also names what its folder holds. */
async function refuseFolder(name: string, path: string): Promise<void> {
  const entries = await readdir(path).catch(() => undefined);
  if (entries === undefined) return;
  const files = entries.filter((file) => /\.(pth|pt|safetensors)$/.test(file)).sort();
  const advice =
    files.length === 0
      ? 'it holds no .pth or .safetensors file.'
      : `name a file in it: ${files.slice(0, 10).join(', ')}.`;
  throw weightsNotFound(name, `this is a folder; ${advice}`);
}
