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
  type Checkpoint,
  type FoundManifest,
} from '../files/checkpoint-files.ts';
import { CodedError } from '../errors/coded-error.ts';
import { quarantine } from './quarantine.ts';
import { findUsable } from './usable-checkpoints.ts';
import { sortByScore } from './validation-scores.ts';

export interface ResumePoint {
  /** Where to go on; undefined where there is nothing yet. */
  from: Checkpoint | undefined;
  /** What was taken out of use on the way. */
  quarantined: Quarantined[];
}

export interface ResumePointRequest {
  folder: RunFolder;
  plan: RunPlan;
  rollback: Rollback | null;
  /** Throws when somebody else has taken over: then nothing may be moved any more. */
  assertFence: () => Promise<void>;
}

/**
 * The newest checkpoint that this plan may go on from and that is whole: size, sha256 and structure. Worse ones on the way
 * there are quarantined, so that nobody tries them again. Call it only while no trainer lives in the run's train job.
 * @throws CodedError PlanChanged when there are checkpoints, but only of plans that differ in what may not change.
 */
export async function findResumePoint(request: ResumePointRequest): Promise<ResumePoint> {
  const { folder, plan, rollback, assertFence: assertOurs } = request;
  const job = folder.train;
  const quarantined: Quarantined[] = [];
  const takeOut = async (name: string, why: string) => {
    await assertOurs();
    quarantined.push(await quarantine(job, name, why));
  };

  const manifests: CheckpointManifest[] = [];
  for (const found of await listManifests(job)) {
    const why = await findReasonToSkip(job, found, rollback);
    if (why !== undefined) await takeOut(found.name, why);
    else if (found.manifest !== undefined) manifests.push(found.manifest);
  }
  const { usable, refusals } = await findUsable(folder, plan, manifests);
  for (const manifest of usable) {
    const path = `${job.checkpoints}/${manifest.file}`;
    const damage = await findDamage(path, manifest);
    if (damage === undefined) return { from: { path, manifest }, quarantined };
    await takeOut(manifest.file.replace(/\.pth$/, ''), damage);
  }
  if (refusals.length === 0) return { from: undefined, quarantined };
  throw new CodedError('PlanChanged', `${job.checkpoints} holds checkpoints of another plan: ${refusals.join('; ')}.`);
}

async function findReasonToSkip(
  job: JobFolder,
  { name, manifest }: FoundManifest,
  rollback: Rollback | null,
): Promise<string | undefined> {
  if (manifest === undefined) return 'its manifest does not parse, or names another file';
  if ((await fileSize(checkpointPath(job, name))) === undefined) return 'its file is missing';
  const rolledBack = rollback !== null && manifest.fence <= rollback.fence && manifest.iteration > rollback.toIteration;
  return rolledBack ? rollback.why : undefined;
}

/** Iterations of the checkpoints to go on from, newest first, as far as their sizes tell: nothing is hashed or moved. */
export async function listResumableIterations(folder: RunFolder, plan: RunPlan): Promise<number[]> {
  const job = folder.train;
  const { usable } = await findUsable(folder, plan, await listCompleteCheckpoints(job));
  return usable.map(({ iteration }) => iteration);
}

/** The whole checkpoint with the best validation box AP in what the run kept; the newest one where nothing was validated. */
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

/** As far as their sizes tell: nothing is hashed. */
export async function listCompleteCheckpoints(job: JobFolder): Promise<CheckpointManifest[]> {
  const found = await Promise.all(
    (await listManifests(job)).map(async ({ name, manifest }) =>
      manifest?.bytes === (await fileSize(checkpointPath(job, name))) ? manifest : undefined,
    ),
  );
  return found.filter((manifest) => manifest !== undefined);
}
