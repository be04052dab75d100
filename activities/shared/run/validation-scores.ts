import type { CheckpointManifest, TrainerEvent } from '../../../configs/schema/index.ts';
import { filterLineage } from './lineage.ts';

/** Lower than -1, the score of a validation without detections. */
const unscored = -2;

/** Sorts checkpoints by validation box AP, best first; ties by iteration, newest first. Unvalidated ones come last. */
export function sortByScore<T extends Pick<CheckpointManifest, 'iteration'>>(
  checkpoints: readonly T[],
  events: readonly TrainerEvent[],
): T[] {
  const scores = new Map<number, number>();
  for (const event of filterLineage(events)) {
    if (event.type === 'validation') scores.set(event.iteration, event.bbox.AP ?? -1);
  }
  const scoreOf = ({ iteration }: T): number => scores.get(iteration) ?? unscored;
  return [...checkpoints].sort((a, b) => scoreOf(b) - scoreOf(a) || b.iteration - a.iteration);
}
