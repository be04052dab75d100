import type { Event } from './job-record.ts';
import type { InjectedFault } from './inject-faults.ts';

/** Cost of one fault. Null where it does not apply, such as for the server. */
export interface RecoveryCost {
  stepsLost: number | null;
  /** Until the next step; for a GPU worker, whose trainer keeps running, until a worker watches it again. */
  recoverySeconds: number | null;
}

export const unknownCost: RecoveryCost = { stepsLost: null, recoverySeconds: null };

export function measureCost(
  { at, job, adoptedAfterSeconds: watchedAgainSeconds }: InjectedFault,
  events: Event[],
): RecoveryCost {
  if (job !== 'train') return { stepsLost: null, recoverySeconds: watchedAgainSeconds };
  const restart = events.findIndex(({ type, t }) => type === 'started' && t > at);
  if (restart < 0) return unknownCost;
  const done = events.slice(0, restart).flatMap(({ type, iteration = 0 }) => (type === 'step' ? [iteration] : []));
  const next = events.slice(restart).find(({ type }) => type === 'step' || type === 'ended');
  return {
    stepsLost: Math.max(0, (done.at(-1) ?? 0) - (events[restart]?.iteration ?? 0)),
    recoverySeconds: next === undefined ? null : next.t - at,
  };
}
