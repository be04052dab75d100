import { mkdir, readdir } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import { runFolder } from '../configs/paths.ts';
import { referencesFor } from '../configs/references.ts';
import { FlattenedRecipe, type RunInput, type RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { CodedError } from './lib/coded-error.ts';
import { contentKey } from './lib/content-key.ts';
import { askTrainer } from './lib/trainer-command.ts';
import { writeFileWhole } from './lib/whole-file.ts';

/**
 * RunInput -> RunPlan: names become hashes, and history records them, so that a later deploy cannot change this run.
 * @throws CodedError UnknownRecipe, NotInCatalog: each lists what there is.
 */
export const createResolvePlan =
  ({ home, recipesFolder, catalog, python, versions }: ActivityDependencies) =>
  async (input: RunInput): Promise<RunPlan> => {
    const archives = pick(catalog.datasets, input.dataset, 'data set').archives;
    const backbone = pick(catalog.weights, input.weights.backbone, 'weights').source;
    const recipePath = await findRecipe(recipesFolder, input.recipe);
    const recipe = await whileBeating(
      () => 'reading the recipe',
      () =>
        askTrainer(python, ['recipe', '--recipe', recipePath], FlattenedRecipe, Context.current().cancellationSignal),
    );
    const folder = runFolder(home, input.name);
    await mkdir(folder.root, { recursive: true });
    await writeFileWhole(folder.recipe, JSON.stringify(recipe));

    const { name: runId, epochs, gpus, batchPerGpu, seed, loaderWorkers, logEverySteps, checkpoint, recovery } = input;
    const datasetKey = contentKey(archives.map(({ file, sha256, files }) => ({ file, sha256, files })));
    const decidesTheWeights = {
      ...{ recipe: recipe.sha256, dataset: datasetKey, backbone: [input.weights.backbone, backbone.sha256] },
      ...{ epochs, gpus, batchPerGpu, seed },
    };
    return {
      v: 1,
      runId,
      planHash: contentKey(decidesTheWeights),
      recipe: { name: input.recipe, sha256: recipe.sha256 },
      dataset: { id: input.dataset, contentKey: datasetKey, archives },
      weights: { backbone: { id: input.weights.backbone, source: backbone } },
      ...{ epochs, gpus, batchPerGpu, seed, loaderWorkers, logEverySteps, checkpoint, recovery, versions },
      references: referencesFor(input.recipe),
    };
  };

function pick<T>(entries: Record<string, T>, id: string, what: string): T {
  const entry = Object.hasOwn(entries, id) ? entries[id] : undefined;
  if (entry !== undefined) return entry;
  throw new CodedError(
    'NotInCatalog',
    `There is no ${what} "${id}" in the catalog. There are: ${Object.keys(entries).join(', ')}.`,
  );
}

async function findRecipe(folder: string, name: string): Promise<string> {
  const recipes = (await readdir(folder))
    .filter((file) => file.endsWith('.py'))
    .map((file) => file.slice(0, -'.py'.length));
  if (recipes.includes(name)) return `${folder}/${name}.py`;
  throw new CodedError('UnknownRecipe', `There is no recipe "${name}". There are: ${recipes.sort().join(', ')}.`);
}
