import { hostname } from 'node:os';
import { rm } from 'node:fs/promises';
import { z } from 'zod';
import type { JobFolder } from '../../../configs/paths.ts';
import { systemErrorCode } from '../errors/coded-error.ts';
import { readJson } from '../files/json-file.ts';
import { isAlive, processStartTicks } from './process-identity.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';

/** Worker process and activity task that watch a job. If the worker is killed, its successor fails the task at once. */
export const Watcher = z.object({
  v: z.literal(1),
  /** base64 */
  taskToken: z.string(),
  workflowId: z.string(),
  activityId: z.string(),
  pid: z.int(),
  startTicks: z.int(),
  host: z.string(),
});
export type Watcher = z.infer<typeof Watcher>;

export type WatchedTask = Pick<Watcher, 'taskToken' | 'workflowId' | 'activityId'>;

/** Writes the watcher file. Best effort: without it, a killed worker is detected by its heartbeat timeout. */
export async function writeWatcher(job: JobFolder, task: WatchedTask): Promise<void> {
  const { pid } = process;
  await ignoreSystemErrors(async () => {
    const startTicks = await processStartTicks(pid);
    await writeFileAtomic(job.watcher, JSON.stringify({ v: 1, ...task, pid, startTicks, host: hostname() }));
  });
}

/** Removes the watcher file, unless a newer watcher wrote it. Best effort: a stale file names a task that has ended. */
export async function removeWatcher(job: JobFolder, { taskToken }: WatchedTask): Promise<void> {
  await ignoreSystemErrors(async () => {
    const watcher = await readWatcher(job);
    if (watcher?.taskToken === taskToken) await rm(job.watcher, { force: true });
  });
}

async function ignoreSystemErrors(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
  }
}

export const readWatcher = (job: JobFolder): Promise<Watcher | undefined> => readJson(job.watcher, Watcher);

/** Returns the watcher of this job if its worker on this machine was killed. */
export async function findLostWatcher(job: JobFolder): Promise<Watcher | undefined> {
  const watcher = await readWatcher(job);
  return watcher !== undefined && watcher.host === hostname() && !(await isAlive(watcher)) ? watcher : undefined;
}
