import { Context } from '@temporalio/activity';
import { homeFolders } from '../configs/paths.ts';
import { WeightsCheck, type FetchedWeights, type RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { whileBeating } from './heartbeat.ts';
import { CodedError } from './lib/coded-error.ts';
import { fetchCatalogFile } from './lib/fetch-catalog-file.ts';
import { readJson } from './lib/json-file.ts';
import { askTrainer } from './lib/trainer-command.ts';
import { writeFileWhole } from './lib/whole-file.ts';

/**
 * Fetches the backbone's weights and holds them against the recipe, key by key and shape by shape: MMDetection would load
 * a wrong file silently and in part. The verdict is kept beside the file, under the hashes it was reached for.
 * @throws CodedError WeightsMismatch with the keys, WeightsRefused.
 */
export const createFetchWeights =
  ({ home, recipesFolder, python, demoUrl }: ActivityDependencies) =>
  async ({ weights: { backbone }, recipe }: RunPlan): Promise<FetchedWeights> => {
    const { cancellationSignal: signal } = Context.current();
    const folders = homeFolders(home);
    let details: unknown = 'starting';
    const onProgress = (progress: unknown) => (details = progress);
    return whileBeating(
      () => details,
      async () => {
        const file = await fetchCatalogFile(backbone.source, folders.weights(backbone.id), {
          demoUrl,
          onProgress,
          signal,
        });
        details = 'holding the weights against the recipe';
        const verdictPath = `${file.path}.fits-${recipe.sha256.slice(0, 12)}-${file.sha256.slice(0, 12)}.json`;
        const argv = ['check-weights', '--recipe', `${recipesFolder}/${recipe.name}.py`, '--weights', file.path];
        const verdict =
          (await readJson(verdictPath, WeightsCheck)) ?? (await askTrainer(python, argv, WeightsCheck, signal));
        refuseMisfit(verdict, backbone.source.file, recipe.name);
        await writeFileWhole(verdictPath, JSON.stringify(verdict));
        return { ...file, parameters: verdict.parameters };
      },
    );
  };

const listedKeys = 8;

function refuseMisfit(verdict: WeightsCheck, file: string, recipe: string): void {
  if (verdict.ok) return;
  if (verdict.refused !== undefined) throw new CodedError('WeightsRefused', `${file}: ${verdict.refused}`);
  const misshapen = verdict.misshapen.map(
    ({ key, expected, got }) => `${key} [${got.join(', ')}] instead of [${expected.join(', ')}]`,
  );
  const differences = [
    listSome('missing', verdict.missing),
    listSome('unexpected', verdict.unexpected),
    listSome('wrong shape', misshapen),
  ].filter((line) => line !== '');
  throw new CodedError('WeightsMismatch', `${file} does not fit the backbone of ${recipe}:\n${differences.join('\n')}`);
}

const listSome = (what: string, keys: string[]): string => {
  if (keys.length === 0) return '';
  const more = keys.length > listedKeys ? ` and ${keys.length - listedKeys} more` : '';
  return `- ${keys.length} ${what}: ${keys.slice(0, listedKeys).join(', ')}${more}`;
};
