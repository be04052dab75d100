import { mirrorKeys } from '../../configs/schema/run-pointer.ts';
import { fileSize } from '../shared/files/checkpoint-files.ts';
import { raiseFence } from '../shared/run/fence.ts';
import { readRunPointer } from './run-pointer-writer.ts';
import { restoreCheckpoints } from './restore-checkpoints.ts';
import { restoreFile, type RestoreRequest } from './restore-file.ts';

interface RestoredRun {
  /** Restored paths relative to the run's folder; empty if this host lacked none. */
  restored: string[];
  /** Highest fence of this host and the store. The next fence that this host acquires is higher. */
  fence: number;
}

/**
 * Restores what this host lacks of a run: the newest and the best checkpoint, progress, plans and results. Intact local
 * files are kept. Call it before acquiring a fence, while no trainer of the run is alive on this host.
 * @returns undefined when the store does not hold the run.
 * @throws CodedError of the store; StoreDamaged only when none of its checkpoints is intact.
 */
export async function restoreRun(request: RestoreRequest): Promise<RestoredRun | undefined> {
  const { store, folder, runId } = request;
  const found = await readRunPointer(store, runId, request.signal);
  if (found === undefined) return undefined;
  const { pointer } = found;
  // A later attempt ran on another host, so the store's files are newer than the local ones.
  const isBehind = (await raiseFence(folder.train, 0)) < pointer.fence;
  const restored = await restoreFiles(request, isBehind);
  const fence = await raiseFence(folder.train, pointer.fence);
  restored.push(...(await restoreCheckpoints(request, pointer.checkpoints)));
  return { restored, fence };
}

/** Restores all files except checkpoints and the report, which is written again. */
async function restoreFiles(request: RestoreRequest, isBehind: boolean): Promise<string[]> {
  const { store, folder, runId } = request;
  const keys = mirrorKeys(runId);
  const restored: string[] = [];
  for (const { key } of await store.list(keys.root, request.signal)) {
    const path = key.slice(keys.root.length);
    if (key === keys.pointer || key.startsWith(keys.checkpoints) || path.startsWith('report/')) continue;
    const isOnDisk = (await fileSize(`${folder.root}/${path}`)) !== undefined;
    if (isOnDisk && !isBehind) continue;
    await restoreFile(request, key, path);
    restored.push(path);
  }
  return restored;
}
