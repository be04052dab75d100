import { readdir } from 'node:fs/promises';
import { hostsOf } from '../../../configs/schema/plan-hosts.ts';
import { runFolder, type JobFolder, type RunFolder } from '../../../configs/paths.ts';
import type { RunPlan } from '../../../configs/schema/index.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';

/** The hosts that train together; undefined where one machine trains alone. */
export function hostTopology(plan: RunPlan): { leader: string; hosts: string[] } | undefined {
  const hosts = hostsOf(plan);
  const [leader] = hosts;
  return leader === undefined || hosts.length === 1 ? undefined : { leader, hosts };
}

/** Where the supervisor that leads a training keeps its files: beside checkpoints and progress, on one machine. */
export function leaderJob(folder: RunFolder, plan: RunPlan): JobFolder {
  const together = hostTopology(plan);
  return together === undefined ? folder.train : folder.host(together.leader);
}

/** What a supervisor must know of the others. They take GPUs in one order, or two runs might wait for each other. */
export function hostGroup(folder: RunFolder, plan: RunPlan): { run: string; jobs: string[] } | undefined {
  const together = hostTopology(plan);
  if (together === undefined) return undefined;
  return { run: folder.train.dir, jobs: [...together.hosts].sort().map((host) => folder.host(host).dir) };
}

/** Every job that a run has ever had. */
export async function listJobs(home: string, runId: string): Promise<JobFolder[]> {
  const folder = runFolder(home, runId);
  const hosts = (await ignoreMissing(readdir(folder.hosts))) ?? [];
  return [folder.train, folder.test, ...hosts.map((host) => folder.host(host))];
}
