import type { Event } from './job-record.ts';
import type { Blow } from './killer.ts';

/** What one kill cost the training. Null where that says nothing, as for the server. */
export interface Cost {
  stepsLost: number | null;
  /** From the kill to the next step; for a GPU worker, whose trainer went on, until somebody watched it again. */
  recoverySeconds: number | null;
}

export function describeCost({ at, job, watchedAgainSeconds }: Blow, events: Event[]): Cost {
  if (job !== 'train') return { stepsLost: null, recoverySeconds: watchedAgainSeconds };
  const restart = events.findIndex(({ type, t }) => type === 'started' && t > at);
  if (restart < 0) return { stepsLost: null, recoverySeconds: null };
  const done = events.slice(0, restart).flatMap(({ type, iteration = 0 }) => (type === 'step' ? [iteration] : []));
  const next = events.slice(restart).find(({ type }) => type === 'step' || type === 'ended');
  return {
    stepsLost: Math.max(0, (done.at(-1) ?? 0) - (events[restart]?.iteration ?? 0)),
    recoverySeconds: next === undefined ? null : next.t - at,
  };
}
