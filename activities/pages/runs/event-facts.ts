import type { Progress, TrainerEvent } from '../../../configs/schema/index.ts';
import { filterLineage } from '../../shared/run/lineage.ts';
import { applyEvent, initialState } from '../../shared/run/run-state.ts';
import { trainedShare } from '../../shared/summary/epoch-progress.ts';
import { plannedEpochs, type RunSnapshot } from './run-snapshot.ts';

/** What the events of a run say. Null is unknown. */
export interface EventFacts {
  readonly progress: Progress;
  /** Part of the training that is done, 0 to 1. */
  readonly share: number | null;
  /** Box AP after each epoch. */
  readonly validations: readonly { readonly epoch: number; readonly boxAP: number | null }[];
  /** Hours of all trainers, from first to last event, times their ranks. */
  readonly deviceHours: number | null;
  readonly device: 'GPU' | 'CPU';
  /** Unix seconds of the first and the last event. */
  readonly startedAt: number | null;
  readonly lastEventAt: number | null;
  /** The events that decide on the state of the run: the last start or end, and the last event. */
  readonly ends: readonly TrainerEvent[];
}

/** Summarizes the events of all trainers; of consecutive steps, the last suffices. */
export function summarizeEvents(snapshot: RunSnapshot, events: readonly TrainerEvent[]): EventFacts {
  const start = events.findLast((event) => event.type === 'started');
  const epochs = plannedEpochs(snapshot, start);
  const kept = filterLineage(events);
  const { progress } = kept.reduce(applyEvent, initialState(0, epochs, 0));
  const boundary = events.findLast(({ type }) => type === 'started' || type === 'ended');
  return {
    progress,
    share: start === undefined ? null : trainedShare(progress),
    validations: kept.flatMap((event) =>
      event.type === 'validation' ? [{ epoch: event.epoch, boxAP: event.bbox.AP }] : [],
    ),
    deviceHours: start === undefined ? null : sumDeviceSeconds(events) / 3600,
    device: start?.device === 'cpu' ? 'CPU' : 'GPU',
    startedAt: events[0]?.t ?? null,
    lastEventAt: events.at(-1)?.t ?? null,
    ends: [boundary, events.at(-1)].filter((event) => event !== undefined),
  };
}

/** Sums the time between the events of each trainer, times its ranks. */
function sumDeviceSeconds(events: readonly TrainerEvent[]): number {
  let [sum, ranks, last] = [0, 0, 0];
  for (const event of events) {
    if (event.type === 'started') ranks = event.worldSize;
    else sum += (event.t - last) * ranks;
    last = event.t;
  }
  return sum;
}
