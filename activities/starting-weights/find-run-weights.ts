import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { didYouMean } from '../../configs/schema/did-you-mean.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { RunPlan, type Analysis, type CatalogFile, type Report } from '../../configs/schema/index.ts';
import { mirrorKeys, RunPointer } from '../../configs/schema/run-pointer.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { readJson } from '../shared/files/json-file.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { readReport } from './read-report.ts';
import { formatAp } from '../shared/summary/format-score.ts';
import { weightsNotFound, type TrainedWeights, type WeightsContext, type WeightsSearch } from './weights-search.ts';
import { explainUnfinishedRun } from '../shared/run/unfinished-run.ts';
import { evaluationRun } from '../../configs/names.ts';

/** Finds the tested checkpoint of a finished run, in this home or in an artifact store. */
export async function findRunWeights(
  context: WeightsContext,
  { reference: { runId }, name, stores, folder }: WeightsSearch<'run'>,
): Promise<TrainedWeights> {
  const plan = await readJson(runFolder(context.home, runId).plan, RunPlan);
  const ownStore = plan === undefined ? [] : [plan.input.artifacts.store];
  for (const address of new Set([...ownStore, ...stores])) {
    const store = context.openStore(address);
    const found = await readReport(store, `runs/${runId}/report/`, { folder, signal: context.signal });
    if (found === undefined) continue;
    if (isEvaluation(found.report.plan))
      throw weightsNotFound(
        name,
        `${runId} is an evaluation, which trains nothing. Name the run or the weights that it tested.`,
      );
    const source = await findCheckpoint(context, store, found.report, name);
    return { weights: { id: name, source, ...describe(found) }, recipe: recipeOf(found.report) };
  }
  const unfinished = await explainUnfinishedRun(context.home, runId);
  throw weightsNotFound(name, unfinished ?? (await explainUnknownRun(context, runId, stores)));
}

/** Returns origin and classes of the tested checkpoint. */
export function describe({ report, analysis }: { report: Report; analysis: Analysis | undefined }) {
  const { bbox, segm, checkpoint } = report.metrics;
  return {
    origin: `best checkpoint ${checkpoint} of run ${report.runId}, which its final test measured: box AP ${formatAp(bbox.AP)}, mask AP ${formatAp(segm.AP)}`,
    classes: analysis?.classes.map((one) => one.name) ?? null,
  };
}

export const recipeOf = ({ plan, recipeSettings }: Report): TrainedWeights['recipe'] => ({
  name: plan.recipe.name,
  settings: recipeSettings,
});

/** Returns the addresses of the tested checkpoint: on the disk of this machine, then in the artifact store. */
async function findCheckpoint(
  { home, signal }: WeightsContext,
  store: ArtifactStore,
  { runId, metrics: { checkpoint: file, checkpointSha256: sha256 } }: Report,
  name: string,
): Promise<CatalogFile> {
  const path = `${runFolder(home, runId).train.checkpoints}/${file}`;
  const local = await ignoreMissing(stat(path));
  const keys = mirrorKeys(runId);
  const pointer = await store.read(keys.pointer, signal);
  const named = pointer === undefined ? [] : RunPointer.parse(JSON.parse(pointer.body)).checkpoints;
  const remote = named.find((one) => one.sha256 === sha256);
  const urls = [
    ...(local === undefined ? [] : [pathToFileURL(path).href]),
    ...(remote === undefined ? [] : [`${store.address.replace(/\/$/, '')}/${keys.checkpoint(remote)}`]),
  ];
  const bytes = local?.size ?? remote?.bytes;
  if (bytes === undefined)
    throw weightsNotFound(
      name,
      `the tested checkpoint ${file} of ${runId} is neither in ${homeFolders(home).runs}/${runId} nor in ${store.address}. Name a version of the registry or a file instead.`,
    );
  return { file, urls, bytes, sha256 };
}

async function explainUnknownRun(
  { openStore, signal }: WeightsContext,
  runId: string,
  stores: readonly string[],
): Promise<string> {
  const remote = stores.filter((address) => address !== 'local');
  const keys = await Promise.all(stores.map((address) => openStore(address).list('runs/', signal)));
  // Only trainings with a report have a tested checkpoint.
  const names = keys.flat().map(({ key }) => /^runs\/([^/]+)\/report\/report\.json$/.exec(key)?.[1] ?? '');
  const known = [...new Set(names)].filter((name) => name !== '' && !name.endsWith(evaluationRun(''))).sort();
  const places = ['this home', ...remote].join(' and ');
  if (known.length === 0)
    return `there is no run ${runId}; ${places} ${remote.length === 0 ? 'holds' : 'hold'} no finished run.`;
  return `there is no run ${runId} in ${places}${
    didYouMean(
      `run:${runId}`,
      known.map((one) => `run:${one}`),
    ) || '.'
  } Finished runs: ${known.slice(0, 20).join(', ')}${known.length > 20 ? ', …' : ''}.`;
}
