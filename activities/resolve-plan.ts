import { mkdir } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import { runFolder } from '../configs/paths.ts';
import { referencesFor } from '../configs/references.ts';
import type { RunInput, RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { CodedError } from './lib/coded-error.ts';
import { refuseForeignHosts } from './lib/obtain/transfer-policy.ts';
import { datasetKey, planHash } from './lib/plan-hash.ts';
import { readRecipe } from './lib/read-recipe.ts';
import { writeFileWhole } from './lib/whole-file.ts';

/**
 * RunInput -> RunPlan: names become hashes, and history records them, so that a later deploy cannot change this run.
 * @throws CodedError UnknownRecipe, NotInCatalog: each lists what there is. DownloadRefused for addresses nobody allowed.
 */
export const createResolvePlan =
  ({ home, recipesFolder, catalog, python, versions }: ActivityDependencies) =>
  async (input: RunInput): Promise<RunPlan> => {
    const entry = pick({ ...catalog.datasets, ...input.catalog.datasets }, input.dataset, 'data set');
    const weights = pick({ ...catalog.weights, ...input.catalog.weights }, input.weights.backbone, 'weights');
    refuseForeignHosts(catalog, input);
    const { cancellationSignal: signal } = Context.current();
    const { output: recipe, outcome } = await whileBeating(
      () => 'reading the recipe',
      () => readRecipe({ home, recipesFolder, python, versions, signal }, input),
    );
    const folder = runFolder(home, input.name);
    await mkdir(folder.root, { recursive: true });
    await writeFileWhole(folder.recipe, JSON.stringify(recipe));

    const { name: runId, epochs, gpus, batchPerGpu, seed, loaderWorkers, logEverySteps, checkpoint, recovery } = input;
    const { archives, train, val, classes } = entry;
    const { extractImages } = input;
    const plan = {
      ...{ v: 1 as const, runId },
      recipe: { name: input.recipe, sha256: recipe.sha256 },
      dataset: { id: input.dataset, contentKey: datasetKey(entry), archives, train, val, classes, extractImages },
      weights: { backbone: { id: input.weights.backbone, source: weights.source } },
      ...{ epochs, gpus, batchPerGpu, seed, loaderWorkers, logEverySteps, checkpoint, recovery, versions },
      ...{ references: referencesFor(input.recipe), input, recipeOutcome: outcome },
    };
    return { ...plan, planHash: planHash(plan) };
  };

function pick<T>(entries: Record<string, T>, id: string, what: string): T {
  const entry = Object.hasOwn(entries, id) ? entries[id] : undefined;
  if (entry !== undefined) return entry;
  throw new CodedError(
    'NotInCatalog',
    `There is no ${what} "${id}" in the catalog. There are: ${Object.keys(entries).join(', ')}.`,
  );
}
