import { mkdir, open, readdir } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';

/**
 * Temporal promises one open workflow per id, not that an old activity attempt has stopped. So each attempt takes a
 * higher token, and whoever finds a higher one than its own on disk is stale: it publishes nothing and stops nothing.
 * A token is an empty file made with O_EXCL: two takers never get the same one.
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
 * Makes the next token that is taken here higher than one that was taken on another host, in its own copy of this folder.
 * @returns the newest token that is known here now.
 */
export async function raiseFence(job: JobFolder, atLeast: number): Promise<number> {
  await mkdir(job.fences, { recursive: true });
  const newest = await currentFence(job);
  if (newest >= atLeast) return newest;
  // Whoever is faster wrote the very same.
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

/** 0 where nobody took one yet. */
export async function currentFence(job: JobFolder): Promise<number> {
  const tokens = (await ignoreMissing(readdir(job.fences))) ?? [];
  return Math.max(0, ...tokens.map(Number));
}
