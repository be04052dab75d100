/** Stops every trainer that lives under EVERSWIN_HOME, gracefully, and waits: the last step of stopping the embedded stack. */
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../activities/lib/trainer/live-process.ts';
import { findLiveJob, requestStop } from '../activities/lib/trainer/trainer-process.ts';
import { runFolder } from '../configs/paths.ts';
import { readEnv } from './env.ts';

const { EVERSWIN_HOME: home } = readEnv();
const runIds = await readdir(`${home}/runs`).catch(() => []);
const jobs = runIds.flatMap((runId) => [runFolder(home, runId).train, runFolder(home, runId).test]);
await Promise.all(
  jobs.map(async (job) => {
    const running = await findLiveJob(job);
    if (running === undefined) return;
    await requestStop(running.owner);
    while (await isAlive(running.owner)) await sleep(100);
  }),
);
