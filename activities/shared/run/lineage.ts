import type { TrainerEvent } from '../../../configs/schema/index.ts';

/**
 * The run that counts: a trainer that starts at iteration i takes back every step and validation after i that came before
 * it, because its own will stand in their place.
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
  (event.type === 'step' || event.type === 'validation') && event.iteration > iteration;
