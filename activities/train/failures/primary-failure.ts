import { setTimeout as sleep } from 'node:timers/promises';
import type { JobFolder, RunFolder } from '../../../configs/paths.ts';
import { TrainerExit, TrainerOwner, type RunPlan } from '../../../configs/schema/index.ts';
import { readJson } from '../../shared/files/json-file.ts';
import { hostTopology } from '../../shared/trainer/host-topology.ts';
import type { JobOutcome } from '../../shared/trainer/trainer-process.ts';

/** Other hosts end within seconds of this one, unless their supervisors were killed. */
const exitTimeoutMs = 20_000;
const pollMs = 250;

/** Outcome of an attempt on one host. */
export interface HostOutcome {
  job: JobFolder;
  owner: TrainerOwner;
  outcome: JobOutcome;
}

export interface PrimaryFailure extends HostOutcome {
  /** Outcomes of the same attempt on other hosts. */
  others: (HostOutcome & { host: string })[];
}

/** Finds the host that failed first; the other hosts ended as a consequence. */
export async function findPrimaryFailure(folder: RunFolder, plan: RunPlan, own: HostOutcome): Promise<PrimaryFailure> {
  const { leader = '', hosts = [] } = hostTopology(plan) ?? {};
  const otherHosts = hosts.filter((host) => host !== leader);
  const found = await Promise.all(otherHosts.map((host) => readHostOutcome(host, folder.host(host), own.owner.fence)));
  const outcomes = [{ ...own, host: leader }, ...found.flat()];
  const [first = outcomes[0]] = outcomes.toSorted((a, b) => causeRank(a) - causeRank(b) || failedAt(a) - failedAt(b));
  return first === undefined ? { ...own, others: [] } : { ...first, others: outcomes.filter((one) => one !== first) };
}

/** Reads the outcome of another host; an empty list if that host did not start its trainer. */
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

/** Ranks outcomes by how likely they caused the others; lower is likelier. */
function causeRank({ outcome }: HostOutcome): number {
  if (!('exit' in outcome)) return 2;
  const { reason, stopRequested, endedBy, rootCause } = outcome.exit;
  if (reason === 'finished') return 6;
  if (reason === 'preempted') return 3;
  // After a stop request, a host that saved is better evidence than one that did not; one ended by another is none.
  if (stopRequested) return 4;
  if ((endedBy ?? null) !== null) return 5;
  // A kill may cause exceptions on other hosts, but no exception causes a kill. Times do not help: clocks differ.
  return rootCause?.signal === 'SIGKILL' ? 0 : 1;
}

/** Returns when the first rank failed, or else when the job ended; Unix seconds. */
const failedAt = ({ outcome }: HostOutcome): number =>
  'exit' in outcome ? (outcome.exit.rootCause?.at ?? outcome.exit.endedAt) : Infinity;
