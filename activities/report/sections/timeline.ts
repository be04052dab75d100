/** What happened when: from the trainer's own events, the workflow's attempts and the supervisor's incidents. */
import type { Attempt, Incident, Report, TimelineEvent, TrainerEvent } from '../../../configs/schema/index.ts';
import { formatCount, formatDuration, formatPlural } from '../../shared/summary/format-time.ts';

type EventOf<T extends TrainerEvent['type']> = Extract<TrainerEvent, { type: T }>;

/** Sorted by time. Incidents count from the run's first event or attempt to its last. */
export function buildTimeline(
  events: readonly TrainerEvent[],
  attempts: readonly Attempt[],
  incidents: readonly Incident[],
): TimelineEvent[] {
  const times = [...events.map((event) => event.t), ...attempts.flatMap((one) => [one.startedAt, one.endedAt])];
  const first = times.reduce((a, b) => Math.min(a, b), Infinity);
  const last = times.reduce((a, b) => Math.max(a, b), -Infinity);
  return [
    ...listStarts(events),
    ...attempts.filter((attempt) => attempt.adopted).map((attempt) => adoptionEvent(attempt, events)),
    ...incidents.filter(({ at }) => at >= first && at <= last).map((incident) => incidentEvent(incident, events)),
    ...attempts.map((attempt) => outcomeEvent(attempt, events)),
    ...listTests(events),
  ].sort((a, b) => a.at - b.at);
}

/** Steps that a crash threw away: how far each trainer had come when the next one started further back. */
export function countRepeatedSteps(events: readonly TrainerEvent[]): number {
  let reached = 0;
  let repeated = 0;
  for (const event of events) {
    if (event.type === 'step') reached = Math.max(reached, event.iteration);
    if (event.type !== 'started') continue;
    repeated += Math.max(0, reached - event.iteration);
    // From here on only what this trainer does can be lost: a step done three times was repeated twice, not more.
    reached = event.iteration;
  }
  return repeated;
}

/** Of an iteration done twice, the later value. */
export function collectCurves(events: readonly TrainerEvent[]): Report['curves'] {
  const loss = new Map<number, Report['curves']['loss'][number]>();
  const ap = new Map<number, Report['curves']['ap'][number]>();
  for (const event of events) {
    const { type } = event;
    if (type === 'step') loss.set(event.iteration, { iteration: event.iteration, loss: event.loss, lr: event.lr });
    if (type !== 'validation') continue;
    const { epoch, iteration, bbox, segm } = event;
    ap.set(iteration, { epoch, iteration, bbox: bbox.AP, segm: segm.AP });
  }
  return { loss: byIteration(loss), ap: byIteration(ap) };
}

const byIteration = <T extends { iteration: number }>(found: Map<number, T>): T[] =>
  [...found.values()].sort((a, b) => a.iteration - b.iteration);

const listStarts = (events: readonly TrainerEvent[]): TimelineEvent[] =>
  filterByType(events, 'started').map((start, index): TimelineEvent => {
    const { t: at, iteration, resumedFrom } = start;
    if (resumedFrom !== null) return { at, kind: 'resumed', what: `From ${resumedFrom}`, iteration };
    const what = index > 0 ? 'From the beginning again: there was no whole checkpoint' : formatFirstStart(start);
    return { at, kind: 'started', what, iteration };
  });

const formatFirstStart = (start: EventOf<'started'>): string =>
  `${formatPlural(start.epochs, 'epoch')} of ${formatPlural(start.iterationsPerEpoch, 'step')} on ${start.worldSize} × ${start.device}`;

const adoptionEvent = (attempt: Attempt, events: readonly TrainerEvent[]): TimelineEvent => ({
  at: attempt.startedAt,
  kind: 'adopted',
  what: `Attempt ${attempt.attempt} found the trainer running; no step lost`,
  iteration: findIteration(events, attempt.startedAt),
});

const incidentEvent = (incident: Incident, events: readonly TrainerEvent[]): TimelineEvent => ({
  at: incident.at,
  kind: 'process-died',
  what: `${incident.process} (pid ${incident.pid}): ${incident.how}; running again after ${formatDuration(incident.restartedAfterSeconds)}`,
  iteration: findIteration(events, incident.at),
});

function outcomeEvent(attempt: Attempt, events: readonly TrainerEvent[]): TimelineEvent {
  // The trainer's own word is the more exact one: the attempt ends only when somebody has read it.
  const said = filterByType(events, 'ended').find(
    ({ t, reason }) => reason === attempt.outcome && t >= attempt.startedAt && t <= attempt.endedAt,
  );
  return {
    at: said?.t ?? attempt.endedAt,
    kind: attempt.outcome,
    what: attempt.cause?.split('\n', 1)[0] || `Attempt ${attempt.attempt}`,
    iteration: said?.iteration ?? attempt.toIteration,
  };
}

const listTests = (events: readonly TrainerEvent[]): TimelineEvent[] =>
  filterByType(events, 'tested')
    .slice(-1)
    .map(({ t, done, total }) => ({
      at: t,
      kind: 'tested',
      what: `${formatCount(done)} of ${formatPlural(total, 'image')}`,
      iteration: null,
    }));

/** Where training stood at a time; null before it began and after it ended. */
function findIteration(events: readonly TrainerEvent[], at: number): number | null {
  const known = events.filter((event) => 'iteration' in event);
  const before = known.findLast((event) => event.t <= at);
  return before && known.some((event) => event.t > at) ? before.iteration : null;
}

const filterByType = <T extends TrainerEvent['type']>(events: readonly TrainerEvent[], type: T) =>
  events.filter((event): event is EventOf<T> => event.type === type);
