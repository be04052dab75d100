import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { exportVersion } from '../../activities/registry/export-version.ts';
import { readRegistry } from '../../activities/registry/registry-state.ts';
import { listModels } from '../../activities/registry/versions.ts';
import { ignoreMissing } from '../../activities/shared/files/ignore-missing.ts';
import type { ArtifactStore } from '../../activities/shared/store/artifact-store.ts';
import { explainUnfinishedRun } from '../../activities/shared/run/unfinished-run.ts';
import type { PythonCommand } from '../../activities/shared/trainer/trainer-process.ts';
import { objectKeys } from '../../configs/names.ts';
import { homeFolders, runFolder } from '../../configs/paths.ts';
import { didYouMean } from '../../configs/schema/did-you-mean.ts';
import { UsageError } from '../terminal/program.ts';

interface DetectorSearch {
  home: string;
  /** Has the model registry, and the detectors of runs that copy their results there. */
  store: ArtifactStore;
  python: PythonCommand;
  /** Receives a detector that is not on this disk. */
  scratch: string;
  signal: AbortSignal;
}

/**
 * Returns the folder of a detector: a folder, the detector of a run, or that of a model's version.
 * @param source a path, `NAME`, `run:NAME`, `model:NAME`, or a version of a model: `NAME` or `model:NAME` with `@VERSION`.
 * @throws UsageError that says what there is instead.
 */
export async function findDetector(source: string, search: DetectorSearch): Promise<string> {
  const [, kind, name = source] = /^(run|model):(.*)$/.exec(source) ?? [];
  const folder = kind === undefined ? findInFolder(source) : undefined;
  if (folder !== undefined) return folder;
  const isLocation = kind === undefined && name.includes('/');
  if (isLocation) throw new UsageError(explainLocation(source));
  const found =
    (kind === 'model' ? undefined : await findOfRun(name, search)) ??
    (kind === 'run' ? undefined : await findOfModel(name, search));
  if (found !== undefined) return found;
  throw new UsageError(await explainUnknown(source, name, search));
}

/** Returns a file name for what is made from a source: the name of its run, model or folder. */
export function nameResults(source: string): string {
  const path = resolve(source);
  const name = basename(path) === 'detector' ? basename(dirname(path)) : basename(path);
  return name.replace(/^(run|model):/, '').replaceAll(/[^\w.-]+/g, '-');
}

/** Accepts the folder of a detector, and a run folder, which contains one. Any other folder may bear the name of a run. */
const findInFolder = (source: string): string | undefined =>
  [resolve(source), resolve(source, 'detector')].find((folder) => existsSync(`${folder}/config.py`));

const explainLocation = (source: string): string =>
  existsSync(source)
    ? `${source} is not a detector: it has no config.py. A finished run leaves one in detector/.`
    : `${source} does not exist. Name a run, a model, or a folder such as detector/.`;

async function findOfRun(name: string, { home, store, scratch, signal }: DetectorSearch): Promise<string | undefined> {
  if (!/^[\w.-]+$/.test(name)) return undefined;
  const { detector, report } = runFolder(home, name);
  if (existsSync(`${detector}/config.py`)) return detector;
  const prefix = `${objectKeys.detector(name)}/`;
  const stored = await store.list(prefix, signal);
  const into = `${scratch}/detector`;
  for (const { key } of stored) await store.get(key, `${into}/${key.slice(prefix.length)}`, { signal });
  if (stored.length > 0) return into;
  if (existsSync(`${report}/report.json`))
    throw new UsageError(
      `Run ${name} left no detector here: an earlier version of everswin tested it, or its files are on another machine. Start it again, or pass --store if it copies its results to a bucket.`,
    );
  const unfinished = await explainUnfinishedRun(home, name);
  if (unfinished !== undefined) throw new UsageError(`There is no detector yet, because ${unfinished}`);
  return undefined;
}

async function findOfModel(source: string, search: DetectorSearch): Promise<string | undefined> {
  const { store, python, scratch, signal } = search;
  const models = await listModels(store, signal);
  // The id of a version contains @, and so may the version of a model: shapes@RUN@HASH.
  const model = models.find((one) => source === one || source.startsWith(`${one}@`));
  if (model === undefined) return undefined;
  const id =
    source === model ? (await readRegistry(store, model, signal)).state.champion : source.slice(model.length + 1);
  if (id === null)
    throw new UsageError(`${model} has no champion yet. \`everswin models list ${model}\` lists its versions.`);
  const into = `${scratch}/detector`;
  await exportVersion({ store, model, id, python, folder: scratch, into, signal });
  return into;
}

async function explainUnknown(source: string, name: string, { home, store, signal }: DetectorSearch): Promise<string> {
  const folders = (await ignoreMissing(readdir(homeFolders(home).runs))) ?? [];
  const runs = folders.filter((run) => existsSync(`${runFolder(home, run).detector}/config.py`));
  const known = [...runs, ...(await listModels(store, signal))];
  if (existsSync(source)) return explainLocation(source);
  const unknown = `No folder, finished run or model is named ${source}`;
  const suggestion = didYouMean(name, known);
  if (suggestion !== '') return `${unknown}${suggestion}`;
  if (known.length === 0) return `${unknown}, and no run has finished here. \`everswin status\` lists the runs.`;
  return `${unknown}. There are: ${known.slice(0, maxListed).join(', ')}${known.length > maxListed ? ', …' : ''}.`;
}

const maxListed = 8;
