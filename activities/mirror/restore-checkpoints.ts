import { mirrorKeys, type MirroredCheckpoint } from '../../configs/schema/run-pointer.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { sha256OfFile } from '../shared/files/atomic-file.ts';
import { listCompleteCheckpoints } from '../shared/run/checkpoints.ts';
import { readWithoutSteps } from '../shared/run/progress-reader.ts';
import { sortByRecency } from '../shared/run/usable-checkpoints.ts';
import { sortByScore } from '../shared/run/validation-scores.ts';
import { isSameCheckpoint } from './mirror-plan.ts';
import { restoreFile, type RestoreRequest } from './restore-file.ts';

/** Restores the newest and the best checkpoint that the store holds. @returns the restored paths. */
export async function restoreCheckpoints(
  request: RestoreRequest,
  checkpoints: readonly MirroredCheckpoint[],
): Promise<string[]> {
  const { folder, rollback } = request;
  const isRolledBack = ({ fence, iteration }: MirroredCheckpoint) =>
    rollback !== null && fence <= rollback.fence && iteration > rollback.toIteration;
  if (checkpoints.length === 0) return [];
  const local = await listCompleteCheckpoints(folder.train);
  const missing = checkpoints.filter((one) => !local.some((other) => isSameCheckpoint(one, other)));
  const sorted = sortByRecency([...local, ...missing].filter((one) => !isRolledBack(one)));
  const restored = await restoreFirstIntact(request, sorted);

  const ofNewestPlan = sorted.filter(({ planHash }) => planHash === sorted[0]?.planHash);
  const best = sortByScore(ofNewestPlan, await readWithoutSteps(folder.train.progress));
  restored.push(...(await restoreFirstIntact(request, best)));
  return restored;
}

/** Restores the first candidate whose copy in the store is intact; nothing if that one is intact on this disk. */
async function restoreFirstIntact(
  request: RestoreRequest,
  candidates: readonly MirroredCheckpoint[],
): Promise<string[]> {
  let damage: CodedError | undefined;
  for (const candidate of candidates) {
    try {
      return await restoreCheckpoint(request, candidate);
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'StoreDamaged') throw error;
      damage = error;
    }
  }
  if (damage !== undefined) throw damage;
  return [];
}

/** Restores the file before its manifest, because a checkpoint exists once its manifest does. */
async function restoreCheckpoint(request: RestoreRequest, checkpoint: MirroredCheckpoint): Promise<string[]> {
  const { folder, runId } = request;
  if (await isIntactOnDisk(request, checkpoint)) return [];
  const keys = mirrorKeys(runId);
  const relative = folder.train.checkpoints.slice(folder.root.length + 1);
  const path = `${relative}/${checkpoint.file}`;
  const manifest = path.replace(/\.pth$/, '.json');
  await restoreFile(request, keys.checkpoint(checkpoint), path, checkpoint.sha256);
  await restoreFile(request, keys.manifest(checkpoint), manifest);
  return [path, manifest];
}

async function isIntactOnDisk({ folder }: RestoreRequest, checkpoint: MirroredCheckpoint): Promise<boolean> {
  const local = await listCompleteCheckpoints(folder.train);
  if (!local.some((manifest) => isSameCheckpoint(manifest, checkpoint))) return false;
  return (await sha256OfFile(`${folder.train.checkpoints}/${checkpoint.file}`)) === checkpoint.sha256;
}
