import { didYouMean } from '../../configs/schema/did-you-mean.ts';
import { modelKeys } from '../../configs/names.ts';
import type { VersionId } from '../../configs/schema/index.ts';
import { readRegistry } from '../registry/registry-state.ts';
import { listModels, listVersions, readVersion } from '../registry/versions.ts';
import { readReport } from './read-report.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { weightsNotFound, type TrainedWeights, type WeightsContext, type WeightsSearch } from './weights-search.ts';
import { describe, recipeOf } from './find-run-weights.ts';

/** Finds a version of a model in the registry of an artifact store. */
export async function findModelWeights(
  { openStore, signal }: WeightsContext,
  { reference: { model, version }, name, stores, folder }: WeightsSearch<'model'>,
): Promise<TrainedWeights> {
  for (const address of stores) {
    const store = openStore(address);
    const versions = await listVersions(store, model, signal);
    if (versions.length === 0) continue;
    const id = await chooseVersion(store, { model, version, versions, name, signal });
    const found = await readVersion(store, model, id, { folder, signal });
    const { file, sha256, bytes } = found.weights;
    const keys = modelKeys(model);
    const urls = [`${store.address.replace(/\/$/, '')}/${keys.versionFile(id, file)}`];
    const report = await readReport(store, keys.versionFile(id, ''), { folder, signal });
    return {
      weights: {
        id: name,
        source: { file, urls, bytes, sha256 },
        ...(report === undefined ? { classes: null } : describe(report)),
        origin: `version ${id} of model ${model}${version === id ? '' : ` (${version})`}${report === undefined ? '' : `, ${describe(report).origin}`}`,
      },
      recipe: report === undefined ? { name: found.recipe.name, settings: {} } : recipeOf(report.report),
    };
  }
  throw weightsNotFound(name, await explainUnknownModel(openStore, model, stores, signal));
}

interface VersionChoice {
  model: string;
  /** Id of a version, `champion` or `candidate`. */
  version: string;
  versions: readonly VersionId[];
  name: string;
  signal: AbortSignal;
}

async function chooseVersion(store: ArtifactStore, choice: VersionChoice): Promise<VersionId> {
  const { model, version, versions, name, signal } = choice;
  const available = `Versions: ${versions.map((id) => `model:${model}/${id}`).join(', ')}.`;
  if (version === 'champion' || version === 'candidate') {
    const { state } = await readRegistry(store, model, signal);
    const id = state[version];
    if (id === null) throw weightsNotFound(name, `model ${model} has no ${version} at present. ${available}`);
    return id;
  }
  if (!versions.includes(version))
    throw weightsNotFound(
      name,
      `model ${model} has no version ${version}${didYouMean(version, versions) || '.'} ${available}`,
    );
  return version;
}

async function explainUnknownModel(
  openStore: WeightsContext['openStore'],
  model: string,
  stores: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const known = (await Promise.all(stores.map((address) => listModels(openStore(address), signal)))).flat();
  const places = stores.join(' and ');
  return known.length === 0
    ? `the registry in ${places} holds no model. \`everswin retrain FILE\` trains the first version; \`run:NAME\` names a run.`
    : `the registry in ${places} has no model ${model}${didYouMean(model, known) || '.'} Models: ${[...new Set(known)].sort().join(', ')}.`;
}
