import type { JobFolder, RunFolder } from '../../../configs/paths.ts';
import type {
  CheckpointManifest,
  Quarantined,
  Rollback,
  RunPlan,
  TrainerEvent,
} from '../../../configs/schema/index.ts';
import { findDamage } from './checkpoint-damage.ts';
import {
  checkpointPath,
  fileSize,
  listManifests,
  listUnrecorded,
  type Checkpoint,
  type FoundManifest,
} from '../files/checkpoint-files.ts';
import { CodedError } from '../errors/coded-error.ts';
import { quarantine } from './quarantine.ts';
import { rebuildManifests } from './rebuild-manifests.ts';
import { findUsable } from './usable-checkpoints.ts';
import { sortByScore } from './validation-scores.ts';

export interface ResumePoint {
  /** Checkpoint to resume from; undefined if there is none yet. */
  from: Checkpoint | undefined;
  /** Damaged or rolled-back checkpoints that were moved aside. */
  quarantined: Quarantined[];
}

interface ResumePointRequest {
  folder: RunFolder;
  plan: RunPlan;
  rollback: Rollback | null;
  /** Throws when a newer attempt holds the fence; no file may be moved then. */
  assertFence: () => Promise<void>;
}

/**
 * Finds the newest intact checkpoint that this plan may resume from, by size, sha256 and structure. Damaged newer ones
 * are quarantined, and lost manifests are rebuilt. Call it only while no trainer of the run is alive.
 * @throws CodedError PlanChanged when all checkpoints belong to plans with incompatible changes.
 */
export async function findResumePoint(request: ResumePointRequest): Promise<ResumePoint> {
  const { folder, plan, rollback, assertFence } = request;
  const job = folder.train;
  const quarantined: Quarantined[] = [];
  const quarantineCheckpoint = async (name: string, why: string) => {
    await assertFence();
    quarantined.push(await quarantine(job, name, why));
  };

  await rebuildManifests(job, assertFence);
  const manifests: CheckpointManifest[] = [];
  for (const found of await listManifests(job.checkpoints)) {
    const why = await findReasonToSkip(job, found, rollback);
    if (why !== undefined) await quarantineCheckpoint(found.name, why);
    else if (found.manifest !== undefined) manifests.push(found.manifest);
  }
  const { usable, rejections } = await findUsable(folder, plan, manifests);
  for (const manifest of usable) {
    const path = `${job.checkpoints}/${manifest.file}`;
    const damage = await findDamage(path, manifest);
    if (damage === undefined) return { from: { path, manifest }, quarantined };
    await quarantineCheckpoint(manifest.file.replace(/\.pth$/, ''), damage);
  }
  if (rejections.length === 0) {
    // A trainer deletes files without a manifest, but a person may still recognize them.
    if (rollback?.startOver === true)
      for (const name of await listUnrecorded(job.checkpoints))
        await quarantineCheckpoint(name, `its manifest is missing; ${rollback.why}`);
    return { from: undefined, quarantined };
  }
  throw new CodedError(
    'PlanChanged',
    `${job.checkpoints} contains checkpoints of another plan: ${rejections.join('; ')}.`,
  );
}

async function findReasonToSkip(
  job: JobFolder,
  { name, manifest }: FoundManifest,
  rollback: Rollback | null,
): Promise<string | undefined> {
  if (manifest === undefined) return 'its manifest does not parse or names another file';
  if ((await fileSize(checkpointPath(job, name))) === undefined) return 'its file is missing';
  const rolledBack = rollback !== null && manifest.fence <= rollback.fence && manifest.iteration > rollback.toIteration;
  return rolledBack ? rollback.why : undefined;
}

/** Lists the iterations that this plan can resume from, newest first. Checks sizes only; hashes and moves no file. */
export async function listResumableIterations(folder: RunFolder, plan: RunPlan): Promise<number[]> {
  const job = folder.train;
  const { usable } = await findUsable(folder, plan, await listCompleteCheckpoints(job));
  return usable.map(({ iteration }) => iteration);
}

/** Finds the intact checkpoint with the best validation box AP; the newest one without any validation. */
export async function findBestCheckpoint(
  job: JobFolder,
  planHash: string,
  events: readonly TrainerEvent[],
): Promise<Checkpoint | undefined> {
  const ofThisPlan = (await listCompleteCheckpoints(job)).filter((manifest) => manifest.planHash === planHash);
  for (const manifest of sortByScore(ofThisPlan, events)) {
    const path = `${job.checkpoints}/${manifest.file}`;
    if ((await findDamage(path, manifest)) === undefined) return { path, manifest };
  }
  return undefined;
}

/**
 * Requires an intact checkpoint of this plan at an iteration or after it.
 * @param trained null or undefined requires none.
 * @throws CodedError CheckpointsLost
 */
export async function requireTrained(
  job: JobFolder,
  planHash: string,
  trained: number | null | undefined,
): Promise<void> {
  if (trained == null) return;
  for (const manifest of await listCompleteCheckpoints(job)) {
    if (manifest.planHash !== planHash || manifest.iteration < trained) continue;
    if ((await findDamage(`${job.checkpoints}/${manifest.file}`, manifest)) === undefined) return;
  }
  throw new CodedError(
    'CheckpointsLost',
    `The run trained to iteration ${trained}, but ${job.checkpoints} contains no intact checkpoint of it, nor does the artifact store. The machine that trained last may have it.`,
  );
}

/** Lists the manifests whose checkpoint file has the right size. Hashes no file. */
export async function listCompleteCheckpoints(job: JobFolder): Promise<CheckpointManifest[]> {
  const found = await Promise.all(
    (await listManifests(job.checkpoints)).map(async ({ name, manifest }) =>
      manifest?.bytes === (await fileSize(checkpointPath(job, name))) ? manifest : undefined,
    ),
  );
  return found.filter((manifest) => manifest !== undefined);
}
