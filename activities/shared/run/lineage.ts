import type { TrainerEvent } from '../../../configs/schema/index.ts';

/**
 * Drops the steps, validations and epochs that a later trainer repeated: one that starts at iteration i supersedes all earlier
 * events after i.
 */
export function filterLineage(events: readonly TrainerEvent[]): TrainerEvent[] {
  let kept: TrainerEvent[] = [];
  for (const event of events) {
    if (event.type === 'started') kept = kept.filter((earlier) => !isSuperseded(earlier, event.iteration));
    kept.push(event);
  }
  return kept;
}

const isSuperseded = (event: TrainerEvent, iteration: number): boolean =>
  (event.type === 'step' || event.type === 'validation' || event.type === 'epoch') && event.iteration > iteration;
