import type { MirroredCheckpoint } from '../../configs/schema/run-pointer.ts';
import type { CheckpointManifest, TrainerEvent } from '../../configs/schema/index.ts';
import { sortByRecency } from '../shared/run/usable-checkpoints.ts';
import { sortByScore } from '../shared/run/validation-scores.ts';

/** Limits the lag: newer checkpoints replace older ones in a full queue. */
const maxQueued = 2;

export interface MirrorPlan {
  /** Checkpoints to upload, in this order. */
  queue: CheckpointManifest[];
  /** Checkpoints that the run pointer should name once the queue is empty. */
  named: MirroredCheckpoint[];
}

/** Plans uploads of the checkpoints on this host, given those that the run pointer in the store names. */
export function planMirror(
  local: readonly CheckpointManifest[],
  remote: readonly MirroredCheckpoint[],
  events: readonly TrainerEvent[],
): MirrorPlan {
  const [newest, ...others] = sortByRecency(local);
  if (newest === undefined) return { queue: [], named: [...remote] };
  const isRemote = (one: MirroredCheckpoint) => remote.some((other) => isSameCheckpoint(one, other));
  // The newest first, then the best, which a test would use, then the rest.
  const byPriority = [newest, ...sortByScore(others, events)];
  const queue = byPriority.filter((one) => !isRemote(one)).slice(0, maxQueued);
  // Drop what this host no longer keeps, but only once the store has the newest checkpoint.
  const isKept = (one: MirroredCheckpoint) => !isRemote(newest) || local.some((other) => isSameCheckpoint(one, other));
  return { queue, named: sortByRecency(remote.filter(isKept)) };
}

export const isSameCheckpoint = (a: MirroredCheckpoint, b: MirroredCheckpoint): boolean =>
  a.file === b.file && a.fence === b.fence && a.sha256 === b.sha256;

export const toMirrored = (manifest: CheckpointManifest): MirroredCheckpoint => {
  const { file, bytes, sha256, epoch, iteration, planHash, fence } = manifest;
  return { file, bytes, sha256, epoch, iteration, planHash, fence };
};
