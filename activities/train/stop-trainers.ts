import { readdir } from 'node:fs/promises';
import { homeFolders } from '../../configs/paths.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { listJobs } from '../shared/trainer/host-topology.ts';
import { stopJob } from '../shared/trainer/trainer-process.ts';

/** Asks every live trainer of this home to save and stop, and waits until all have exited. */
export async function stopTrainers(home: string): Promise<void> {
  const runIds = (await ignoreMissing(readdir(homeFolders(home).runs))) ?? [];
  const jobs = (await Promise.all(runIds.map((runId) => listJobs(home, runId)))).flat();
  await Promise.all(jobs.map(stopJob));
}
