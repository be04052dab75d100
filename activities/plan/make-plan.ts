import { evaluationRun, pagePaths } from '../../configs/names.ts';
import { comparableReferences } from './published.ts';
import { findUnknownNames, type KnownNames, type NameProblem } from '../../configs/check-names.ts';
import { inputRefusal } from '../../configs/parse-input.ts';
import { referencesFor } from './recipe-facts.ts';
import type { Catalog, FlattenedRecipe, RunInput, RunPlan } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { findCatalogEntry } from './find-catalog-entry.ts';
import { findForeignHosts } from './transfer-policy.ts';
import { datasetKey, planHash } from './plan-hash.ts';
import { listRecipes, readRecipe, type RecipeContext } from './read-recipe.ts';

/**
 * Finds the exact file of the starting weights.
 * @throws CodedError NotInCatalog or WeightsNotFound, which list what exists.
 */
export type FindWeights = (
  input: RunInput,
  planned: { runId: string; recipe: FlattenedRecipe },
  signal: AbortSignal,
) => Promise<RunPlan['weights']>;

/** Worker dependencies of making a plan. */
export interface PlanDependencies extends Omit<RecipeContext, 'signal'> {
  catalog: Catalog;
  findWeights: FindWeights;
  /** Base URL of the run pages; undefined when no server provides them. */
  pagesUrl: string | undefined;
}

/** An evaluation tests the initial weights of a training. */
export type Purpose = 'training' | 'evaluation';

/**
 * Resolves a RunInput to a RunPlan: names become hashes.
 * @throws CodedError with all names that refer to nothing, which lists the valid ones, and hosts that are not allowed.
 */
export async function makePlan(
  dependencies: PlanDependencies & { signal: AbortSignal },
  input: RunInput,
  purpose: Purpose = 'training',
): Promise<{ plan: RunPlan; recipe: FlattenedRecipe }> {
  const { catalog, versions } = dependencies;
  const recipes = await listRecipes(dependencies.recipesFolder);
  requireKnownNames(findReferenceProblems(input, { recipes, catalog }));
  const entry = findCatalogEntry({ ...catalog.datasets, ...input.catalog.datasets }, input.dataset, 'data set');
  const { output: recipe, outcome } = await readRecipe(dependencies, input);
  const { name, gpus, batchPerGpu, seed, loaderWorkers, validationBatch, logEverySteps, checkpoint, recovery } = input;
  const { archives, train, val, classes } = entry;
  const { extractImages, skipBadImages, masks, speed } = input;
  const dataset = {
    id: input.dataset,
    contentKey: datasetKey({ ...entry, skipBadImages, masks }),
    archives,
    train,
    val,
    classes,
    extractImages,
    skipBadImages,
    masks,
  };
  const runId = purpose === 'evaluation' ? evaluationRun(name) : name;
  const weights = await dependencies.findWeights(input, { runId, recipe }, dependencies.signal);
  const { lr } = recipe.summary;
  // The recipe's own rate is no change, so it gives the same plan.
  const learningRate =
    input.learningRate === undefined || input.learningRate === lr ? {} : { learningRate: input.learningRate };
  const plan = {
    v: 1 as const,
    runId,
    recipe: { name: input.recipe, sha256: recipe.sha256, summary: recipe.summary },
    dataset,
    weights,
    epochs: purpose === 'evaluation' ? 0 : input.epochs,
    gpus,
    batchPerGpu,
    ...learningRate,
    seed,
    loaderWorkers,
    validationBatch,
    speed,
    logEverySteps,
    checkpoint,
    recovery,
    versions,
    references: comparableReferences({ references: referencesFor(input.recipe), dataset }),
    input,
    recipeOutcome: outcome,
    page: dependencies.pagesUrl === undefined ? null : new URL(pagePaths.run(runId), dependencies.pagesUrl).href,
  };
  return { plan: { ...plan, planHash: planHash(plan) }, recipe };
}

/** Finds names that refer to nothing and hosts that are not allowed. */
function findReferenceProblems(input: RunInput, known: KnownNames): NameProblem[] {
  const message = findForeignHosts(known.catalog, input);
  const foreign = { code: 'DownloadRefused', path: 'catalog', message: message ?? '' } as const;
  return [...findUnknownNames(input, known), ...(message === undefined ? [] : [foreign])];
}

/** @throws CodedError with the code of the first problem, and all messages. */
function requireKnownNames(problems: NameProblem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const messages = problems.map(({ path, message }) => `${path}: ${message}`);
  throw new CodedError(first.code, problems.length === 1 ? first.message : inputRefusal(messages));
}
