import { setTimeout as sleep } from 'node:timers/promises';
import type { JobFolder, RunFolder } from '../../../configs/paths.ts';
import { TrainerExit, TrainerOwner, type RunPlan } from '../../../configs/schema/index.ts';
import { readJson } from '../../shared/files/json-file.ts';
import { hostTopology } from '../../shared/trainer/host-topology.ts';
import type { JobOutcome } from '../../shared/trainer/trainer-process.ts';

/** The parts of other hosts end within seconds of ours, unless nothing of them is left. */
const exitTimeoutMs = 20_000;
const pollMs = 250;

/** What one machine did of an attempt. */
export interface HostOutcome {
  job: JobFolder;
  owner: TrainerOwner;
  outcome: JobOutcome;
}

export interface PrimaryFailure extends HostOutcome {
  /** Parts of the same attempt elsewhere. */
  others: (HostOutcome & { host: string })[];
}

/** Of the parts of all hosts, the one whose ending is that of the attempt: the first that failed of itself. */
export async function findPrimaryFailure(folder: RunFolder, plan: RunPlan, own: HostOutcome): Promise<PrimaryFailure> {
  const { leader = '', hosts = [] } = hostTopology(plan) ?? {};
  const rest = hosts.filter((host) => host !== leader);
  const found = await Promise.all(rest.map((host) => readHostOutcome(host, folder.host(host), own.owner.fence)));
  const parts = [{ ...own, host: leader }, ...found.flat()];
  const [first = parts[0]] = parts.toSorted((a, b) => causeRank(a) - causeRank(b) || failedAt(a) - failedAt(b));
  return first === undefined ? { ...own, others: [] } : { ...first, others: parts.filter((part) => part !== first) };
}

/** None where that host never came to start its part. */
async function readHostOutcome(
  host: string,
  job: JobFolder,
  fence: number,
): Promise<(HostOutcome & { host: string })[]> {
  const owner = await readJson(job.owner, TrainerOwner);
  if (owner?.fence !== fence) return [];
  const deadline = performance.now() + exitTimeoutMs;
  for (;;) {
    const exit = await readJson(job.exit, TrainerExit);
    if (exit?.fence === fence) return [{ host, job, owner, outcome: { exit } }];
    if (performance.now() > deadline) return [{ host, job, owner, outcome: { supervisorLost: owner } }];
    await sleep(pollMs);
  }
}

/** The lower, the more it says of the attempt. */
function causeRank({ outcome: ending }: HostOutcome): number {
  if (!('exit' in ending)) return 2;
  const { reason, stopRequested, endedBy, rootCause } = ending.exit;
  if (reason === 'finished') return 6;
  if (reason === 'preempted') return 3;
  // Who was told to stop and could not save says less than who was and could; whom another part took along, nothing.
  if (stopRequested) return 4;
  if ((endedBy ?? null) !== null) return 5;
  // Elsewhere an exception may follow from a kill, but no kill from an exception; and clocks differ.
  return rootCause?.signal === 'SIGKILL' ? 0 : 1;
}

/** When it ended, or when its first rank failed; Unix seconds. */
const failedAt = ({ outcome: ending }: HostOutcome): number =>
  'exit' in ending ? (ending.exit.rootCause?.at ?? ending.exit.endedAt) : Infinity;
