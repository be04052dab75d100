/** Stops every trainer that lives under EVERSWIN_HOME, gracefully, and waits: the last step of stopping the embedded stack. */
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { listJobs } from '../activities/shared/trainer/host-topology.ts';
import { isAlive } from '../activities/shared/trainer/process-identity.ts';
import { findLiveJob, requestStop } from '../activities/shared/trainer/trainer-process.ts';
import { readEnv } from './env.ts';

const { EVERSWIN_HOME: home } = readEnv();
const runIds = await readdir(`${home}/runs`).catch(() => []);
const jobs = (await Promise.all(runIds.map((runId) => listJobs(home, runId)))).flat();
await Promise.all(
  jobs.map(async (job) => {
    const running = await findLiveJob(job);
    if (running === undefined) return;
    await requestStop(running.owner);
    while (await isAlive(running.owner)) await sleep(100);
  }),
);
