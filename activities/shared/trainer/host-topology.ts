import { readdir } from 'node:fs/promises';
import { hostsOf } from '../../../configs/schema/plan-hosts.ts';
import { runFolder, type JobFolder, type RunFolder } from '../../../configs/paths.ts';
import type { RunPlan } from '../../../configs/schema/index.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';

/** Returns the hosts of a multi-host training; undefined if one machine runs all ranks. */
export function hostTopology(plan: RunPlan): { leader: string; hosts: string[] } | undefined {
  const hosts = hostsOf(plan);
  const [leader] = hosts;
  return leader === undefined || hosts.length === 1 ? undefined : { leader, hosts };
}

/** Returns the job folder of the leading supervisor. On a single machine it also holds checkpoints and progress. */
export function leaderJob(folder: RunFolder, plan: RunPlan): JobFolder {
  const topology = hostTopology(plan);
  return topology === undefined ? folder.train : folder.host(topology.leader);
}

/** Lists the jobs of all hosts, sorted: if all runs lease GPUs in one order, no two runs deadlock. */
export function hostGroup(folder: RunFolder, plan: RunPlan): { run: string; jobs: string[] } | undefined {
  const topology = hostTopology(plan);
  if (topology === undefined) return undefined;
  return { run: folder.train.dir, jobs: [...topology.hosts].sort().map((host) => folder.host(host).dir) };
}

/** Lists the job folders of a run: training, test and one for each host. */
export async function listJobs(home: string, runId: string): Promise<JobFolder[]> {
  const folder = runFolder(home, runId);
  const hosts = (await ignoreMissing(readdir(folder.hosts))) ?? [];
  return [folder.train, folder.test, ...hosts.map((host) => folder.host(host))];
}
