import { hostname } from 'node:os';
import { rm } from 'node:fs/promises';
import { z } from 'zod';
import type { JobFolder } from '../../../configs/paths.ts';
import { systemErrorCode } from '../errors/coded-error.ts';
import { readJson } from '../files/json-file.ts';
import { isAlive, processStartTicks } from './process-identity.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';

/** Who watches a job, on behalf of which activity task: for a worker that finds out that it follows one that was killed. */
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

/** Best effort: without the file a killed worker is noticed by its missing heartbeats. */
export async function writeWatcher(job: JobFolder, task: WatchedTask): Promise<void> {
  const { pid } = process;
  const startTicks = await processStartTicks(pid);
  try {
    await writeFileAtomic(job.watcher, JSON.stringify({ v: 1, ...task, pid, startTicks, host: hostname() }));
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
  }
}

/** Leaves the file of a newer watcher alone. */
export async function removeWatcher(job: JobFolder, { taskToken }: WatchedTask): Promise<void> {
  const watcher = await readJson(job.watcher, Watcher);
  if (watcher?.taskToken === taskToken) await rm(job.watcher, { force: true });
}

/** The watcher of this job if it was killed, on this machine. */
export async function findLostWatcher(job: JobFolder): Promise<Watcher | undefined> {
  const watcher = await readJson(job.watcher, Watcher);
  return watcher !== undefined && watcher.host === hostname() && !(await isAlive(watcher)) ? watcher : undefined;
}
