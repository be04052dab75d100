import { mkdir, open, readdir } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';

/**
 * Acquires a fencing token. Temporal allows one open workflow per id, but an old activity attempt may still run. An
 * attempt that finds a higher token on disk is stale and must change nothing. O_EXCL makes each token unique.
 */
export async function acquireFence(job: JobFolder): Promise<number> {
  await mkdir(job.fences, { recursive: true });
  for (;;) {
    const token = (await currentFence(job)) + 1;
    try {
      await (await open(`${job.fences}/${token}`, 'wx')).close();
      return token;
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    }
  }
}

/**
 * Raises the fence to a token that another host acquired in its own copy of this folder.
 * @returns the highest token in this folder.
 */
export async function raiseFence(job: JobFolder, atLeast: number): Promise<number> {
  await mkdir(job.fences, { recursive: true });
  const newest = await currentFence(job);
  if (newest >= atLeast) return newest;
  // A concurrent call writes the same empty file.
  await (await open(`${job.fences}/${atLeast}`, 'w')).close();
  return atLeast;
}

/** @throws CodedError StaleAttempt when a newer attempt holds the fence. */
export async function assertFence(job: JobFolder, token: number): Promise<void> {
  const newest = await currentFence(job);
  if (newest !== token) {
    throw new CodedError(
      'StaleAttempt',
      `The attempt with fence ${token} is superseded by fence ${newest} in ${job.dir}.`,
    );
  }
}

/** Returns the highest token; 0 if there is none. */
export async function currentFence(job: JobFolder): Promise<number> {
  const tokens = (await ignoreMissing(readdir(job.fences))) ?? [];
  return Math.max(0, ...tokens.map(Number));
}
