import type { InjectedFault } from './inject-faults.ts';
import type { Event } from './job-record.ts';
import type { Violation } from './oracle.ts';

/**
 * Checks that only faults of the trainer cause another training attempt and repeated steps. A trainer that finished while
 * no worker was running is started again to report that, which repeats no step. While a fault lasts, any number of
 * attempts may crash.
 */
export function checkRepeatedSteps(events: Event[], injected: InjectedFault[]): Violation[] {
  const hits = injected.filter(({ job }) => job === 'train');
  const startedInFault = (event: Event) => hits.some(({ at, endedAt }) => at <= event.t && event.t <= endedAt);
  const excused = new Set(events.filter((event) => event.type === 'started' && startedInFault(event)).map(attemptOf));
  const trained = new Set(events.filter(({ type }) => type === 'step').map(attemptOf));
  const unexcused = [...trained].filter((attempt) => !excused.has(attempt)).length;
  return [
    ...injected.flatMap(({ damagedCheckpoint: damaged, fault }): Violation[] =>
      damaged === null ? [] : [`O6: right after fault ${fault.id} the acknowledged ${damaged} was damaged`],
    ),
    ...(unexcused <= 1 + hits.length
      ? []
      : [`nothing lost: ${unexcused} attempts trained, but only ${hits.length} faults hit a trainer` as const]),
    ...(hits.length > 0 || countRepeated(events) === 0
      ? []
      : ['nothing lost: steps were repeated, but no fault hit the trainer' as const]),
  ];
}

const attemptOf = ({ attempt }: Event): unknown => attempt;

/** Counts the steps that ran again. */
export function countRepeated(events: Event[]): number {
  const steps = events.flatMap(({ type, iteration }) => (type === 'step' ? [iteration] : []));
  return steps.length - new Set(steps).size;
}
