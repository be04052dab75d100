import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, rm, unlink, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { JobFolder } from '../../../configs/paths.ts';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { readJson } from '../files/json-file.ts';

/** Activity attempt that acquires a fence. */
export interface FenceHolder {
  /** Temporal's id of the workflow run. */
  workflowRun: string;
  /** Number of the activity within the workflow run, if each activity counts its attempts from 1. */
  activity?: number | undefined;
  /** Number of the attempt within the workflow run or the activity. */
  attempt: number;
}

export const FenceHolderFile = z.object({ workflowRun: z.string(), activity: z.int().optional(), attempt: z.int() });

/**
 * Acquires a fencing token. Temporal allows one open workflow per id, but an old activity attempt may still run: a frozen
 * worker continues after its attempt timed out. An attempt that finds a higher token on disk is stale and must change
 * nothing. The order of attempts counts, not the order in which they arrive.
 * @param hasRunEnded called if another workflow run holds a fence. Of two runs, the open one is the newer one.
 * @throws CodedError StaleAttempt when a newer attempt, or a newer workflow run, holds the fence.
 */
export async function acquireFence(
  job: JobFolder,
  holder: FenceHolder,
  hasRunEnded: () => Promise<boolean> = () => Promise.resolve(false),
): Promise<number> {
  await mkdir(job.fences, { recursive: true });
  for (;;) {
    const token = (await currentFence(job)) + 1;
    await requireNewest(job, token, holder, hasRunEnded);
    if (!(await createFence(job, token, holder))) continue;
    if ((await currentFence(job)) === token) return token;
    // `raiseFence` left a gap, and this token is in it. An older attempt may hold the token above.
    await rm(`${job.fences}/${token}`, { force: true });
  }
}

/** Creates a token with its holder. @returns false when another attempt created it first. */
async function createFence(job: JobFolder, token: number, holder: FenceHolder): Promise<boolean> {
  // A link appears with its content at once, and fails if the name exists.
  const draft = `${job.fences}/.${token}.${randomUUID()}`;
  await writeFile(draft, JSON.stringify(holder));
  try {
    await link(draft, `${job.fences}/${token}`);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(draft);
  }
}

/** Compares an attempt with the holders of the tokens below `token`. */
async function requireNewest(
  job: JobFolder,
  token: number,
  arrived: FenceHolder,
  hasRunEnded: () => Promise<boolean>,
): Promise<void> {
  const { workflowRun, attempt } = arrived;
  const tokens = (await listFences(job)).filter((one) => one < token).sort((a, b) => b - a);
  let isKnownOpen = false;
  for (const one of tokens) {
    const holder = await readJson(`${job.fences}/${one}`, FenceHolderFile);
    if (holder === undefined) continue; // raised for another host, or written by an older version
    if (holder.workflowRun === workflowRun) {
      if (isAfter(holder, arrived)) throw superseded(job, `attempt ${attempt}`, one);
      return;
    }
    if (!isKnownOpen && (await hasRunEnded()))
      throw superseded(job, `attempt ${attempt} of a workflow run that has ended`, one);
    isKnownOpen = true;
  }
}

const isAfter = (one: FenceHolder, other: FenceHolder): boolean => {
  const activities = (one.activity ?? 0) - (other.activity ?? 0);
  return activities > 0 || (activities === 0 && one.attempt > other.attempt);
};

/**
 * Raises the fence to a token that another host acquired in its own copy of this folder.
 * @returns the highest token in this folder.
 */
export async function raiseFence(job: JobFolder, atLeast: number): Promise<number> {
  await mkdir(job.fences, { recursive: true });
  const newest = await currentFence(job);
  if (newest >= atLeast) return newest;
  // Appends nothing, because a concurrent call may have created the same token with its holder.
  await (await open(`${job.fences}/${atLeast}`, 'a')).close();
  return atLeast;
}

/**
 * @throws CodedError StaleAttempt when a newer attempt holds the fence, or RunFolderLost when the folder has no fence any
 * more.
 */
export async function assertFence(job: JobFolder, token: number): Promise<void> {
  const newest = await currentFence(job);
  if (newest === 0) throw new CodedError('RunFolderLost', `${job.dir} was deleted while the run trained.`);
  if (newest !== token) throw superseded(job, `the attempt with fence ${token}`, newest);
}

const superseded = (job: JobFolder, which: string, by: number): CodedError =>
  new CodedError('StaleAttempt', `In ${job.dir}, ${which} is superseded by fence ${by}.`);

/** Returns the highest token; 0 if there is none. */
export const currentFence = async (job: JobFolder): Promise<number> => Math.max(0, ...(await listFences(job)));

async function listFences(job: JobFolder): Promise<number[]> {
  const names = (await ignoreMissing(readdir(job.fences))) ?? [];
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}
