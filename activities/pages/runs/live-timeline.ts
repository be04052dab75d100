import type { Incident, TimelineEvent, TrainerEvent } from '../../../configs/schema/index.ts';
import { buildTimeline } from '../../report/sections/timeline.ts';

/** The report's timeline without what only the workflow knows: how attempts ended. What trainers said tells most of it. */
export const buildLiveTimeline = (events: readonly TrainerEvent[], incidents: readonly Incident[]): TimelineEvent[] =>
  [...buildTimeline(events, [], incidents), ...listOutcomes(events)].sort((a, b) => a.at - b.at);

const listOutcomes = (events: readonly TrainerEvent[]): TimelineEvent[] =>
  events.flatMap((event, place): TimelineEvent[] => {
    if (event.type === 'ended') {
      const what = event.reason === 'finished' ? 'All epochs are trained' : 'Told to stop';
      return [{ at: event.t, kind: event.reason, what, iteration: event.iteration }];
    }
    return event.type === 'started' ? listLostTrainer(events.slice(0, place), event.attempt) : [];
  });

/** A trainer that was followed by another one and never said that it ended. */
function listLostTrainer(before: readonly TrainerEvent[], attempt: number): TimelineEvent[] {
  const last = before.findLast((event) => event.attempt !== attempt);
  if (last === undefined || last.type === 'ended') return [];
  const step = before.findLast((event) => 'iteration' in event);
  return [{ at: last.t, kind: 'crashed', what: 'The last sign of this trainer', iteration: step?.iteration ?? null }];
}
