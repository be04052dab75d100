/** Builds the timeline from the trainer's events, the workflow's attempts, the supervisor's incidents and GPU health. */
import type {
  Attempt,
  GpuHealthChange,
  Incident,
  Report,
  TimelineEvent,
  TrainerEvent,
} from '../../../configs/schema/index.ts';
import { filterLineage } from '../../shared/run/lineage.ts';
import { toNullable, type RunRecord } from '../../shared/run/run-record.ts';
import { formatCount, formatDuration, formatPlural } from '../../shared/summary/format-time.ts';
import { chooseSamples } from '../components/downsample.ts';

type EventOf<T extends TrainerEvent['type']> = Extract<TrainerEvent, { type: T }>;

/** Points of the loss curve: all that a training of 36 epochs of COCO logs by default. */
const maxLossPoints = 12_000;

/** Merges all sources, sorted by time. Incidents before the first or after the last event are dropped. */
export function buildTimeline(
  record: RunRecord,
  testEvents: readonly TrainerEvent[],
  attempts: readonly Attempt[],
  incidents: readonly Incident[],
  gpuChanges: readonly GpuHealthChange[] = [],
): TimelineEvent[] {
  const events = [...record.events, ...testEvents];
  const times = [...events.map((event) => event.t), ...attempts.flatMap((one) => [one.startedAt, one.endedAt])];
  const first = times.reduce((a, b) => Math.min(a, b), Infinity);
  const last = times.reduce((a, b) => Math.max(a, b), -Infinity);
  return [
    ...listStarts(events),
    ...attempts.filter((attempt) => attempt.adopted).map((attempt) => adoptionEvent(attempt, record)),
    ...incidents.filter(({ at }) => at >= first && at <= last).map((incident) => incidentEvent(incident, record)),
    ...attempts.map((attempt) => outcomeEvent(attempt, events)),
    ...listTests(events),
    ...gpuChanges.map((change) => gpuHealthEvent(change, record)),
  ].sort((a, b) => a.at - b.at);
}

/** Counts steps lost to crashes: the distance between a trainer's last step and its successor's start. */
export function countRepeatedSteps(events: readonly TrainerEvent[]): number {
  let reached = 0;
  let repeated = 0;
  for (const event of events) {
    if (event.type === 'step') reached = Math.max(reached, event.iteration);
    if (event.type !== 'started') continue;
    repeated += Math.max(0, reached - event.iteration);
    // Later losses count from here, so that a step trained three times counts as repeated twice.
    reached = event.iteration;
  }
  return repeated;
}

/** Collects the curves of the preserved lineage. */
export function collectCurves({ events, steps }: RunRecord): Report['curves'] {
  const ap = new Map<number, Report['curves']['ap'][number]>();
  for (const { epoch, iteration, bbox, segm } of filterByType(filterLineage(events), 'validation'))
    ap.set(iteration, { epoch, iteration, bbox: bbox.AP, segm: segm.AP });
  const { iteration, loss, lr } = steps;
  const lossAt = (index: number): number | null => toNullable(loss[index]);
  return {
    loss: chooseSamples(iteration.length, lossAt, maxLossPoints).map((index) => ({
      iteration: iteration[index] ?? 0,
      loss: lossAt(index),
      lr: toNullable(lr[index]),
    })),
    ap: [...ap.values()].sort((a, b) => a.iteration - b.iteration),
  };
}

const listStarts = (events: readonly TrainerEvent[]): TimelineEvent[] =>
  filterByType(events, 'started').map((start, index): TimelineEvent => {
    const { t: at, iteration, resumedFrom } = start;
    if (resumedFrom !== null) return { at, kind: 'resumed', what: `From ${resumedFrom}`, iteration };
    const what = index > 0 ? 'Restarted from scratch: no valid checkpoint' : formatFirstStart(start);
    return { at, kind: 'started', what, iteration };
  });

const formatFirstStart = (start: EventOf<'started'>): string =>
  `${formatPlural(start.epochs, 'epoch')} of ${formatPlural(start.iterationsPerEpoch, 'step')} on ${start.worldSize} × ${start.device}`;

const adoptionEvent = (attempt: Attempt, record: RunRecord): TimelineEvent => ({
  at: attempt.startedAt,
  kind: 'adopted',
  what: `Attempt ${attempt.attempt} found the trainer running; no steps lost`,
  iteration: record.findIteration(attempt.startedAt),
});

const gpuHealthEvent = ({ at, problems }: GpuHealthChange, record: RunRecord): TimelineEvent => ({
  at,
  kind: 'gpu-health',
  what: problems.map(({ uuid, verdict, why }) => `${uuid} ${verdict}: ${why}`).join('; ') || 'all GPUs are healthy',
  iteration: record.findIteration(at),
});

const incidentEvent = (incident: Incident, record: RunRecord): TimelineEvent => ({
  at: incident.at,
  kind: 'process-died',
  what: `${incident.process} (pid ${incident.pid}): ${incident.how}; restarted after ${formatDuration(incident.restartedAfterSeconds)}`,
  iteration: record.findIteration(incident.at),
});

function outcomeEvent(attempt: Attempt, events: readonly TrainerEvent[]): TimelineEvent {
  // The trainer's own event is more precise: the attempt ends only when a worker has read it.
  const reported = filterByType(events, 'ended').find(
    ({ t, reason }) => reason === attempt.outcome && t >= attempt.startedAt && t <= attempt.endedAt,
  );
  return {
    at: reported?.t ?? attempt.endedAt,
    kind: attempt.outcome,
    what: attempt.cause?.split('\n', 1)[0] || `Attempt ${attempt.attempt}`,
    iteration: reported?.iteration ?? attempt.toIteration,
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

const filterByType = <T extends TrainerEvent['type']>(events: readonly TrainerEvent[], type: T) =>
  events.filter((event): event is EventOf<T> => event.type === type);
