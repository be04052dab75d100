import type { MirroredCheckpoint } from '../../configs/schema/run-pointer.ts';
import type { CheckpointManifest, TrainerEvent } from '../../configs/schema/index.ts';
import { sortByRecency } from '../shared/run/usable-checkpoints.ts';
import { sortByScore } from '../shared/run/validation-scores.ts';

/** More would only fall further behind: what is dropped is older than what is sent instead. */
const maxQueued = 2;

export interface MirrorPlan {
  /** To be sent, in this order. */
  waiting: CheckpointManifest[];
  /** What the pointer should name when nothing more is sent. */
  named: MirroredCheckpoint[];
}

/** What to do about the checkpoints that lie here (`local`), when the store has those that its pointer names (`remote`). */
export function planMirror(
  local: readonly CheckpointManifest[],
  remote: readonly MirroredCheckpoint[],
  events: readonly TrainerEvent[],
): MirrorPlan {
  const [newest, ...others] = sortByRecency(local);
  if (newest === undefined) return { waiting: [], named: [...remote] };
  const isRemote = (one: MirroredCheckpoint) => remote.some((other) => isSameCheckpoint(one, other));
  // After the newest the best: what a test would take. Then whatever else is kept here, as long as nothing newer comes.
  const wanted = [newest, ...sortByScore(others, events)];
  const waiting = wanted.filter((one) => !isRemote(one)).slice(0, maxQueued);
  // What this host no longer keeps may go, but not before the store has something as new.
  const isKept = (one: MirroredCheckpoint) => !isRemote(newest) || local.some((other) => isSameCheckpoint(one, other));
  return { waiting, named: sortByRecency(remote.filter(isKept)) };
}

export const isSameCheckpoint = (a: MirroredCheckpoint, b: MirroredCheckpoint): boolean =>
  a.file === b.file && a.fence === b.fence && a.sha256 === b.sha256;

export const toMirrored = (manifest: CheckpointManifest): MirroredCheckpoint => {
  const { file, bytes, sha256, epoch, iteration, planHash, fence } = manifest;
  return { file, bytes, sha256, epoch, iteration, planHash, fence };
};
