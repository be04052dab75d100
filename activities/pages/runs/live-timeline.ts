import type { GpuHealthChange, Incident, TimelineEvent, TrainerEvent } from '../../../configs/schema/index.ts';
import type { RunRecord } from '../../shared/run/run-record.ts';
import { buildTimeline } from '../../report/sections/timeline.ts';

/** Builds the timeline of a running job. Outcomes of attempts, which only the workflow knows, are derived from trainer events. */
export const buildLiveTimeline = (
  record: RunRecord,
  incidents: readonly Incident[],
  gpuChanges: readonly GpuHealthChange[],
): TimelineEvent[] =>
  [...buildTimeline(record, [], [], incidents, gpuChanges), ...listOutcomes(record.events)].sort((a, b) => a.at - b.at);

const listOutcomes = (events: readonly TrainerEvent[]): TimelineEvent[] =>
  events.flatMap((event, place): TimelineEvent[] => {
    if (event.type === 'ended') {
      const what = event.reason === 'finished' ? 'Trained all epochs' : 'Stopped on request';
      return [{ at: event.t, kind: event.reason, what, iteration: event.iteration }];
    }
    return event.type === 'started' ? listLostTrainer(events.slice(0, place), event.attempt) : [];
  });

/** Reports a trainer that was replaced without an end event. */
function listLostTrainer(before: readonly TrainerEvent[], attempt: number): TimelineEvent[] {
  const last = before.findLast((event) => event.attempt !== attempt);
  if (last === undefined || last.type === 'ended') return [];
  const step = before.findLast((event) => 'iteration' in event);
  return [{ at: last.t, kind: 'crashed', what: 'Last event of this trainer', iteration: step?.iteration ?? null }];
}
