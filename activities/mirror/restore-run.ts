import type { RunFolder } from '../../configs/paths.ts';
import { mirrorKeys, type MirroredCheckpoint, type RunPointer } from '../../configs/schema/run-pointer.ts';
import type { Rollback } from '../../configs/schema/index.ts';
import { fileSize } from '../shared/files/checkpoint-files.ts';
import { listCompleteCheckpoints } from '../shared/run/checkpoints.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { raiseFence } from '../shared/run/fence.ts';
import { readProgress } from '../shared/run/progress-reader.ts';
import { sortByRecency } from '../shared/run/usable-checkpoints.ts';
import { sortByScore } from '../shared/run/validation-scores.ts';
import { sha256OfFile } from '../shared/files/atomic-file.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { isSame } from './mirror-plan.ts';
import { readRunPointer } from './pointed-run.ts';

export interface RestoreRequest {
  store: ArtifactStore;
  folder: RunFolder;
  runId: string;
  /** What was rolled back is not fetched again. */
  rollback: Rollback | null;
  signal: AbortSignal;
  onProgress: (progress: RestoreProgress) => void;
}

export interface RestoreProgress {
  /** Relative to the run's folder. */
  file: string;
  /** Of this file. */
  bytes: number;
}

export interface RestoredRun {
  /** What was fetched, relative to the run's folder; nothing where this host had it all. */
  restored: string[];
  /** Fences that are taken here from now on are higher. */
  fence: number;
}

/**
 * Brings a run to this host, or what it lacks of it: the newest checkpoint and the best one, their manifests, progress, plans
 * and results. What is here already and whole is not fetched. Call it before a fence is taken, while no trainer lives here.
 * @returns undefined when the store does not know the run.
 * @throws CodedError of the store, StoreDamaged only when none of its checkpoints is whole.
 */
export async function restoreRun(request: RestoreRequest): Promise<RestoredRun | undefined> {
  const { store, folder, runId } = request;
  const found = await readRunPointer(store, runId, request.signal);
  if (found === undefined) return undefined;
  const { pointer } = found;
  // A later attempt was made elsewhere: what lies here is older than what the store has.
  const isBehind = (await raiseFence(folder.train, 0)) < pointer.fence;
  const restored = await restoreFiles(request, isBehind);
  restored.push(...(await restoreCheckpoints(request, pointer)));
  return { restored, fence: await raiseFence(folder.train, pointer.fence) };
}

/** Everything but checkpoints and report, which is made anew. */
async function restoreFiles(request: RestoreRequest, isBehind: boolean): Promise<string[]> {
  const { store, folder, runId } = request;
  const keys = mirrorKeys(runId);
  const restored: string[] = [];
  for (const { key } of await store.list(keys.root, request.signal)) {
    const path = key.slice(keys.root.length);
    if (key === keys.pointer || key.startsWith(keys.checkpoints) || path.startsWith('report/')) continue;
    const isHere = (await fileSize(`${folder.root}/${path}`)) !== undefined;
    if (isHere && !isBehind) continue;
    await fetchFile(request, key, path);
    restored.push(path);
  }
  return restored;
}

async function restoreCheckpoints(request: RestoreRequest, { checkpoints }: RunPointer): Promise<string[]> {
  const { folder, rollback } = request;
  const isOut = ({ fence, iteration }: MirroredCheckpoint) =>
    rollback !== null && fence <= rollback.fence && iteration > rollback.toIteration;
  if (checkpoints.length === 0) return [];
  const local = await listCompleteCheckpoints(folder.train);
  const offered = checkpoints.filter((one) => !local.some((other) => isSame(one, other)));
  const sorted = sortByRecency([...local, ...offered].filter((one) => !isOut(one)));
  const restored = await restoreFirstWhole(request, sorted);

  const ofThisPlan = sorted.filter(({ planHash }) => planHash === sorted[0]?.planHash);
  const best = sortByScore(ofThisPlan, await readProgress(folder.train.progress));
  restored.push(...(await restoreFirstWhole(request, best)));
  return restored;
}

/** What is whole here is taken as it is; a damaged copy is passed over for the next one. */
async function restoreFirstWhole(request: RestoreRequest, candidates: MirroredCheckpoint[]): Promise<string[]> {
  let damage: CodedError | undefined;
  for (const one of candidates) {
    try {
      return await restoreCheckpoint(request, one);
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'StoreDamaged') throw error;
      damage = error;
    }
  }
  if (damage !== undefined) throw damage;
  return [];
}

/** The file, then its manifest: without that it does not exist. */
async function restoreCheckpoint(request: RestoreRequest, one: MirroredCheckpoint): Promise<string[]> {
  const { folder, runId } = request;
  if (await isWholeHere(folder, one)) return [];
  const keys = mirrorKeys(runId);
  const under = folder.train.checkpoints.slice(folder.root.length + 1);
  const [path, manifest] = [`${under}/${one.file}`, `${under}/${one.file.replace(/\.pth$/, '.json')}`];
  await fetchFile(request, keys.checkpoint(one), path, one.sha256);
  await fetchFile(request, keys.manifest(one), manifest);
  return [path, manifest];
}

async function isWholeHere(folder: RunFolder, one: MirroredCheckpoint): Promise<boolean> {
  const here = (await listCompleteCheckpoints(folder.train)).some((manifest) => isSame(manifest, one));
  return here && (await sha256OfFile(`${folder.train.checkpoints}/${one.file}`)) === one.sha256;
}

async function fetchFile(
  { store, folder, signal, onProgress }: RestoreRequest,
  key: string,
  path: string,
  sha256?: string,
): Promise<void> {
  let bytes = 0;
  const onBytes = (more: number) => onProgress({ file: path, bytes: (bytes += more) });
  await store.get(key, `${folder.root}/${path}`, { signal, onBytes, ...(sha256 === undefined ? {} : { sha256 }) });
}
