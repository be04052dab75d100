import type { GalleryImage } from '../../../configs/schema/index.ts';

/** Outcome of a prediction, or `missed` for an object that no prediction found. */
export type Judgment = GalleryImage['predictions'][number]['outcome'] | 'missed';

/** Names in legends and labels, in their order in the legend. */
export const judgmentNames: Record<Judgment, string> = {
  correct: 'correct',
  class: 'wrong class',
  localization: 'poor position',
  both: 'wrong class and position',
  duplicate: 'duplicate',
  background: 'no object (background)',
  missed: 'missed object',
  ignored: 'on a crowd, not counted',
};

export const judgments = Object.keys(judgmentNames) as Judgment[];
