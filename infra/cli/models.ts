import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, resolve } from 'node:path';
import { compareRuns } from '../../activities/compare/compare-runs.ts';
import { formatComparisonVerdict } from '../../activities/compare/comparison-verdict.ts';
import { comparedFiles, loadRun } from '../../activities/compare/load-run.ts';
import { withScratchFolder } from '../../activities/shared/files/scratch-folder.ts';
import { exportVersion } from '../../activities/registry/export-version.ts';
import { changeRegistry, previousChampion, readRegistry } from '../../activities/registry/registry-state.ts';
import { fetchVersionFiles, listModels, listVersions, readVersion } from '../../activities/registry/versions.ts';
import { formatAp } from '../../activities/shared/summary/format-score.ts';
import { homeFolders } from '../../configs/paths.ts';
import type { ModelVersion } from '../../configs/schema/index.ts';
import { formatInstant } from '../../activities/shared/summary/format-time.ts';
import { UsageError } from '../terminal/program.ts';
import { createDependencies } from '../../workers/dependencies.ts';

interface StoreOptions {
  store: string;
}

/** The registry in the named artifact store, and how to read it. */
function openRegistry({ store: name }: StoreOptions) {
  const dependencies = createDependencies('cpu');
  const store = dependencies.openStore(name);
  const inScratch = <T>(use: (folder: string) => Promise<T>): Promise<T> =>
    withScratchFolder(homeFolders(dependencies.home).downloads, use);
  const read = (model: string, id: string): Promise<ModelVersion> =>
    inScratch((folder) => readVersion(store, model, id, { folder }));
  return { store, python: dependencies.python, inScratch, read };
}

/** Lists the models, or the versions of one. */
export async function list(model: string | undefined, options: StoreOptions): Promise<void> {
  const registry = openRegistry(options);
  await (model === undefined ? listAll(registry) : listVersionsOf(registry, model));
}

type Registry = ReturnType<typeof openRegistry>;

async function listAll({ store }: Registry): Promise<void> {
  const models = await listModels(store);
  for (const name of models) {
    const { champion } = (await readRegistry(store, name)).state;
    console.log(`${name}  champion ${champion ?? 'none'}`);
  }
  if (models.length === 0) console.log('There are no models yet. `everswin retrain FILE` trains the first version.');
}

async function listVersionsOf({ store, read }: Registry, name: string): Promise<void> {
  const { champion, candidate } = (await readRegistry(store, name)).state;
  for (const id of await listVersions(store, name)) {
    const { createdAt, bbox, segm, recipe } = await read(name, id);
    const mark = id === champion ? 'champion ' : id === candidate ? 'candidate' : '         ';
    const scores = [bbox, segm].map(({ AP }) => formatAp(AP)).join(' / ');
    console.log(`${mark}  ${id}  ${formatInstant(createdAt)}  box / mask AP ${scores}  ${recipe.name}`);
  }
}

/** Shows a version and the history of its model. */
export async function show(name: string, version: string | undefined, options: StoreOptions): Promise<void> {
  const { store, read } = openRegistry(options);
  const { state } = await readRegistry(store, name);
  const id = version ?? state.champion;
  if (id === null) throw new Error(withoutChampion(name));
  console.log(JSON.stringify(await read(name, id), null, 2));
  for (const { at, action, version, from, who, why } of state.history)
    console.log(`${formatInstant(at)}  ${action} ${version} (champion was ${from ?? 'none'}) by ${who}: ${why}`);
}

/** Compares the plans and scores of two versions. */
export async function diff(name: string, [first, second]: [string, string], options: StoreOptions): Promise<void> {
  const { store, inScratch } = openRegistry(options);
  await inScratch(async (folder) => {
    const load = async (id: string, place: string) => {
      const version = await readVersion(store, name, id, { folder: place });
      await fetchVersionFiles(store, version, comparedFiles, { folder: place });
      return loadRun(place);
    };
    const runs = [await load(first, `${folder}/first`), await load(second, `${folder}/second`)];
    const comparison = compareRuns(runs, Date.now() / 1000);
    for (const {
      field,
      values: [was, is],
    } of comparison.plan)
      console.log(`${field}: ${was ?? '–'} → ${is ?? '–'}`);
    console.log(formatComparisonVerdict(comparison).join('\n'));
  });
}

interface ChangeOptions extends StoreOptions {
  why: string;
  who?: string | undefined;
}

/** Makes a version the champion. */
export const promote = (model: string, version: string, options: ChangeOptions): Promise<void> =>
  change('promote', model, version, options);

/** Makes the previous champion the champion again. */
export const rollback = (model: string, options: ChangeOptions): Promise<void> =>
  change('rollback', model, undefined, options);

async function change(
  action: 'promote' | 'rollback',
  name: string,
  requested: string | undefined,
  options: ChangeOptions,
): Promise<void> {
  const { store, read } = openRegistry(options);
  const { why, who = userInfo().username } = options;
  const { state } = await readRegistry(store, name);
  const version = requested ?? previousChampion(state);
  await read(name, version); // fails unless the registry has this version
  const request = { action, version, who, why, evidence: null };
  const next = await changeRegistry(store, name, request, { expected: state.champion, at: Date.now() / 1000 });
  console.log(`${name}: champion ${next.champion ?? 'none'} (was ${state.champion ?? 'none'})`);
}

/** Writes the detector of a version to a new folder. */
export async function exportModel(
  name: string,
  version: string | undefined,
  options: StoreOptions & { out: string },
): Promise<void> {
  const target = resolve(options.out);
  if (existsSync(target)) throw new UsageError(`${target} exists already. Name a new folder with --out.`);
  const { store, python } = openRegistry(options);
  const id = version ?? (await readRegistry(store, name)).state.champion;
  if (id === null) throw new Error(withoutChampion(name));
  // Next to the target, so that one rename makes the finished export appear.
  await withScratchFolder(dirname(target), async (folder) => {
    const signal = new AbortController().signal;
    const into = `${folder}/detector`;
    const lines = await exportVersion({ store, model: name, id, python, folder, into, signal });
    await rename(into, target);
    console.log([...lines, target].join('\n'));
  });
}

const withoutChampion = (model: string): string =>
  `${model} has no champion yet. \`everswin models list ${model}\` lists its versions.`;
