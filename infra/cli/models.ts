/** `npm run models -- list | show | diff | promote | rollback | export`: inspects and changes the model registry. */
import { mkdir, rename } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compareRuns } from '../../activities/compare/compare-runs.ts';
import { formatComparisonVerdict } from '../../activities/compare/comparison-verdict.ts';
import { comparedFiles, loadRun } from '../../activities/compare/load-run.ts';
import { withScratchFolder } from '../../activities/shared/files/scratch-folder.ts';
import { exportVersion } from '../../activities/registry/export-version.ts';
import { changeRegistry, previousChampion, readRegistry } from '../../activities/registry/registry-state.ts';
import { fetchVersionFiles, listModels, listVersions, readVersion } from '../../activities/registry/versions.ts';
import { formatPoints } from '../../activities/shared/summary/format-score.ts';
import { homeFolders } from '../../configs/paths.ts';
import type { ModelVersion } from '../../configs/schema/index.ts';
import { formatInstant } from '../../activities/shared/summary/format-time.ts';
import { fail, runProgram } from '../terminal/program.ts';
import { createDependencies } from '../../workers/dependencies.ts';

const usage = `Usage: npm run models -- COMMAND [--store local|s3://BUCKET/PREFIX]
  list [MODEL]                         list the models, or the versions of one model
  show MODEL [VERSION]                 show a version (default: the champion) and the model's history
  diff MODEL VERSION VERSION           compare the plans and scores of two versions
  promote MODEL VERSION --why TEXT     make a version the champion
  rollback MODEL --why TEXT            restore the previous champion
  export MODEL [VERSION] --out FOLDER  write weights (MMDetection and safetensors), config and SHA256SUMS`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: 'string', default: 'local' },
    why: { type: 'string' },
    who: { type: 'string', default: userInfo().username },
    out: { type: 'string' },
  },
});
const [command = '', model, ...versions] = positionals;
const dependencies = createDependencies('cpu');
const store = dependencies.openStore(values.store);
const scratch = homeFolders(dependencies.home).downloads;

async function run(): Promise<void> {
  if (command === 'list' && model === undefined) return listAll();
  if (model === undefined) return fail(usage);
  const [first, second] = versions;
  switch (command) {
    case 'list':
      return list(model);
    case 'show':
      return show(model, first);
    case 'diff':
      return first === undefined || second === undefined ? fail(usage) : diff(model, first, second);
    case 'promote':
      return first === undefined ? fail(usage) : change('promote', model, first);
    case 'rollback':
      return change('rollback', model, undefined);
    case 'export':
      return exportOne(model, first);
    default:
      return fail(usage);
  }
}

const inScratch = <T>(use: (folder: string) => Promise<T>): Promise<T> => withScratchFolder(scratch, use);

const read = (name: string, id: string): Promise<ModelVersion> =>
  inScratch((folder) => readVersion(store, name, id, { folder }));

async function listAll(): Promise<void> {
  const models = await listModels(store);
  for (const name of models) {
    const { champion } = (await readRegistry(store, name)).state;
    console.log(`${name}  champion ${champion ?? 'none'}`);
  }
  if (models.length === 0) console.log('There are no models yet. `npm run retrain -- FILE` trains the first version.');
}

async function list(name: string): Promise<void> {
  const { champion, candidate } = (await readRegistry(store, name)).state;
  for (const id of await listVersions(store, name)) {
    const { createdAt, bbox, segm, recipe } = await read(name, id);
    const mark = id === champion ? 'champion ' : id === candidate ? 'candidate' : '         ';
    const scores = [bbox, segm].map(({ AP }) => (AP === null ? '–' : formatPoints(AP))).join(' / ');
    console.log(`${mark}  ${id}  ${formatInstant(createdAt)}  box / mask AP ${scores}  ${recipe.name}`);
  }
}

async function show(name: string, version: string | undefined): Promise<void> {
  const { state } = await readRegistry(store, name);
  const id = version ?? state.champion;
  if (id === null) return fail(`${name} has no champion yet. \`npm run models -- list ${name}\` lists its versions.`);
  console.log(JSON.stringify(await read(name, id), null, 2));
  for (const { at, action, version, from, who, why } of state.history)
    console.log(`${formatInstant(at)}  ${action} ${version} (champion was ${from ?? 'none'}) by ${who}: ${why}`);
}

async function diff(name: string, first: string, second: string): Promise<void> {
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

async function change(action: 'promote' | 'rollback', name: string, requested: string | undefined): Promise<void> {
  const { who, why } = values;
  if (why === undefined) return fail('Give a reason with --why TEXT. The history of the model records it.');
  const { state } = await readRegistry(store, name);
  const version = requested ?? previousChampion(state);
  await read(name, version); // fails unless the registry has this version
  const request = { action, version, who, why, evidence: null };
  const next = await changeRegistry(store, name, request, { expected: state.champion, at: Date.now() / 1000 });
  console.log(`${name}: champion ${next.champion ?? 'none'} (was ${state.champion ?? 'none'})`);
}

async function exportOne(name: string, version: string | undefined): Promise<void> {
  const { out } = values;
  const id = version ?? (await readRegistry(store, name)).state.champion;
  if (out === undefined || id === null)
    return fail(
      out === undefined ? usage : `${name} has no champion yet. \`npm run models -- list ${name}\` lists its versions.`,
    );
  const target = resolve(out);
  await mkdir(resolve(target, '..'), { recursive: true });
  // Next to the target, so that one rename makes the finished export appear.
  await withScratchFolder(resolve(target, '..'), async (folder) => {
    const signal = new AbortController().signal;
    const lines = await exportVersion({ store, model: name, id, python: dependencies.python, folder, signal });
    await rename(folder, target);
    console.log([...lines, target].join('\n'));
  });
}

await runProgram(run);
