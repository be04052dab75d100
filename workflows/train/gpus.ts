/** Decides on which GPUs a run continues after one has failed. Pure. */
import type { Attempt, AttemptGpus } from '../../configs/schema/index.ts';
import { trainingGpus } from '../../configs/schema/plan-hosts.ts';
import { formatDuration } from '../../activities/shared/summary/format-time.ts';
import { madeProgress, type Situation, type Verdict } from './verdict.ts';

/** Failures of one GPU after which a run no longer uses it. */
const failuresUntilLeftOut = 2;

/** GPUs that the attempts of a run have seen, as the next attempt needs them. */
export interface KnownGpus {
  /** All that the machine had. One that is missing later is lost. */
  known: string[];
  /** Those that failed twice. */
  leftOut: string[];
}

/** @param trustedUntil number of the last attempt whose GPUs are trusted again. */
export function knownGpus(attempts: readonly Attempt[], trustedUntil: number): KnownGpus {
  const seen = attempts.flatMap(({ gpus }) => (gpus === undefined ? [] : [...gpus.leased, ...gpus.usable]));
  return { known: [...new Set(seen)], leftOut: findLeftOut(trustGpus(attempts, trustedUntil)) };
}

/** Leaves out the failures of GPUs in the attempts up to number `until`, so that all GPUs are used again. */
export function trustGpus(attempts: readonly Attempt[], until: number): Attempt[] {
  return attempts.flatMap((attempt) => {
    const { gpus } = attempt;
    if (attempt.attempt > until || gpus === undefined || gpus.failed.length === 0) return attempt;
    return madeProgress(attempt) ? { ...attempt, gpus: { ...gpus, failed: [] } } : [];
  });
}

function findLeftOut(attempts: readonly Attempt[]): string[] {
  const failed = attempts.flatMap(({ gpus }) => [...new Set(gpus?.failed)]);
  const isLeftOut = (uuid: string): boolean => failed.filter((one) => one === uuid).length >= failuresUntilLeftOut;
  return [...new Set(failed)].filter(isLeftOut);
}

/** Returns whether training made progress between the last two failures of a GPU. */
function advancedBetweenFailures(uuid: string, attempts: readonly Attempt[]): boolean {
  const last = attempts.findLastIndex(({ gpus }) => gpus?.failed.includes(uuid));
  const before = attempts.slice(0, last).findLastIndex(({ gpus }) => gpus?.failed.includes(uuid));
  return attempts.slice(before + 1, last + 1).some(madeProgress);
}

/**
 * Returns whether the failure of an attempt is settled: its GPU is not used any more, or too few GPUs were usable to start.
 * Of the GPUs that failed twice, only the first one since the newest checkpoint counts: if training fails on a second one
 * too, the GPU is not the cause.
 */
export function isSettled({ gpus, failure }: Attempt, attempts: readonly Attempt[]): boolean {
  if (gpus?.leased.length === 0) return failure?.reaction === 'replace-gpu';
  const usable = attempts.findLast((one) => one.gpus !== undefined)?.gpus?.usable ?? [];
  const before = findLeftOut(attempts.slice(0, attempts.findLastIndex(madeProgress) + 1));
  const leftOut = findLeftOut(attempts);
  const [first] = leftOut.filter((uuid) => !before.includes(uuid));
  const isGone = (uuid: string): boolean => !usable.includes(uuid) || before.includes(uuid) || uuid === first;
  return gpus?.failed.some(isGone) === true;
}

/** Fits the number of GPUs of the next attempt to those that are usable. */
export function fitToGpus(verdict: Verdict, situation: Situation): Verdict {
  const { attempts, plan, control, etaSeconds, trustsGpus } = situation;
  const gpus = attempts.at(-1)?.gpus;
  if (gpus === undefined || verdict.next !== 'retry') return verdict;
  const leftOut = findLeftOut(attempts);
  const remaining = (uuids: string[]): number => uuids.filter((uuid) => !leftOut.includes(uuid)).length;
  const now = trainingGpus(plan, control);
  const changes = formatLosses(attempts, gpus);
  const train = (count: number): Verdict => {
    const left = etaSeconds == null ? '' : `; about ${formatDuration((etaSeconds * now) / count)} left`;
    return withChanges(verdict, [...changes, formatShare(plan.gpus, count) + left], { ...control, gpus: count });
  };
  const free = largestShare(plan.gpus, remaining(gpus.free));
  if (free > now) return train(free);
  const usable = remaining(gpus.usable);
  if (usable >= now) return withChanges(verdict, changes.length === 0 ? [] : [...changes, 'other GPUs take over']);
  const fewer = plan.recovery.fewerGpus ? largestShare(plan.gpus, usable) : 0;
  if (fewer > 0) return train(fewer);
  // Without other GPUs, training with a restart now and then is better than none.
  if (trustsGpus && gpus.usable.length >= now && leftOut.every((uuid) => advancedBetweenFailures(uuid, attempts))) {
    const change = `${leftOut.join(', ')} failed twice and is used again: training made progress and no other GPU is free`;
    return { ...withChanges(verdict, [change]), trustsGpus: true };
  }
  return { ...withChanges(verdict, changes), next: 'wait-for-gpus' };
}

/** Names the GPUs that this attempt lost: those that are left out from now on, and those that do not work. */
function formatLosses(attempts: readonly Attempt[], { leased, problems, usable }: AttemptGpus): string[] {
  const before = findLeftOut(attempts.slice(0, -1));
  const why = (uuid: string): string => {
    const problem = problems.find((one) => one.uuid === uuid);
    return problem === undefined ? '' : `: ${problem.why}`;
  };
  const leftOut = findLeftOut(attempts).filter((uuid) => !before.includes(uuid));
  // An attempt that could not start has no GPUs of its own.
  const concerned = leased.length === 0 ? problems.map(({ uuid }) => uuid) : leased;
  const broken = concerned.filter((uuid) => !usable.includes(uuid) && ![...before, ...leftOut].includes(uuid));
  return [
    ...leftOut.map((uuid) => `${uuid} failed twice and is left out${why(uuid)}`),
    ...broken.map((uuid) => `${uuid} is not usable${why(uuid)}`),
  ];
}

const formatShare = (planned: number, count: number): string =>
  count === planned
    ? `trains on all ${count} GPUs again`
    : `trains on ${count} of ${planned} GPUs with the same batch per step: each accumulates the gradients of ${planned / count} ranks`;

/** Returns the highest number of GPUs, at most `available`, that divides the ranks of the plan evenly. */
export function largestShare(planned: number, available: number): number {
  for (let count = Math.min(planned, available); count > 0; count--) if (planned % count === 0) return count;
  return 0;
}

function withChanges(verdict: Verdict, changes: string[], control?: Verdict['control']): Verdict {
  const change = [verdict.change, ...changes].filter((text) => text !== null).join('; ') || null;
  if (control === undefined) return { ...verdict, change };
  // The verdict may have changed other values, such as the learning rate.
  return { ...verdict, change, control: { ...control, ...verdict.control, gpus: control.gpus } };
}
