import { evaluationRun, pagePaths } from '../../configs/names.ts';
import { referencesFor } from './recipe-facts.ts';
import type { Catalog, FlattenedRecipe, RunInput, RunPlan } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { requireAllowedHosts } from './transfer-policy.ts';
import { datasetKey, planHash } from './plan-hash.ts';
import { readRecipe, type RecipeContext } from './read-recipe.ts';

/** What making a plan needs from the worker. */
export interface PlanDependencies extends Omit<RecipeContext, 'signal'> {
  catalog: Catalog;
  /** Where the embedded stack serves the pages of runs; undefined where nothing does. */
  pagesUrl: string | undefined;
}

/** Of an evaluation: to test what the training would begin with. */
export type Purpose = 'training' | 'evaluation';

/**
 * RunInput -> RunPlan: names become hashes.
 * @throws CodedError UnknownRecipe, NotInCatalog: each lists what there is. DownloadRefused for addresses nobody allowed.
 */
export async function makePlan(
  place: PlanDependencies & { signal: AbortSignal },
  input: RunInput,
  purpose: Purpose = 'training',
): Promise<{ plan: RunPlan; recipe: FlattenedRecipe }> {
  const { catalog, versions } = place;
  const entry = findEntry({ ...catalog.datasets, ...input.catalog.datasets }, input.dataset, 'data set');
  const weights = pickWeights({ ...catalog.weights, ...input.catalog.weights }, input.weights);
  requireAllowedHosts(catalog, input);
  const { output: recipe, outcome } = await readRecipe(place, input);
  const { name, gpus, batchPerGpu, seed, loaderWorkers, logEverySteps, checkpoint, recovery } = input;
  const { archives, train, val, classes } = entry;
  const { extractImages, speed } = input;
  const runId = purpose === 'evaluation' ? evaluationRun(name) : name;
  const plan = {
    v: 1 as const,
    runId,
    recipe: { name: input.recipe, sha256: recipe.sha256, summary: recipe.summary },
    dataset: { id: input.dataset, contentKey: datasetKey(entry), archives, train, val, classes, extractImages },
    weights,
    epochs: purpose === 'evaluation' ? 0 : input.epochs,
    gpus,
    batchPerGpu,
    seed,
    loaderWorkers,
    speed,
    logEverySteps,
    checkpoint,
    recovery,
    versions,
    references: referencesFor(input.recipe),
    input,
    recipeOutcome: outcome,
    page: place.pagesUrl === undefined ? null : new URL(pagePaths.run(runId), place.pagesUrl).href,
  };
  return { plan: { ...plan, planHash: planHash(plan) }, recipe };
}

function pickWeights(entries: Catalog['weights'], { backbone, detector }: RunInput['weights']): RunPlan['weights'] {
  const chosen = (id: string) => ({ id, source: findEntry(entries, id, 'weights').source });
  return detector === undefined ? { backbone: chosen(backbone ?? '') } : { detector: chosen(detector) };
}

function findEntry<T>(entries: Record<string, T>, id: string, what: string): T {
  const entry = Object.hasOwn(entries, id) ? entries[id] : undefined;
  if (entry !== undefined) return entry;
  throw new CodedError(
    'NotInCatalog',
    `There is no ${what} "${id}" in the catalog. There are: ${Object.keys(entries).join(', ')}.`,
  );
}
