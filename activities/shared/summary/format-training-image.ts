import type { TrainingImage } from '../../../configs/schema/index.ts';
import { formatCount, formatPlural } from './format-time.ts';

type Size = TrainingImage['original'];

/** Formats what the augmentation made of an image: `640×480 → 1066×800, flipped, padded to 1088×800, 7 objects`. */
export function formatTrainingImage({ original, augmented, padded, flipped, objects }: TrainingImage): string {
  const format = ({ width, height }: Size): string => `${width}×${height}`;
  return [
    `${format(original)} → ${format(augmented)}`,
    ...(flipped ? ['flipped'] : []),
    ...(format(padded) === format(augmented) ? [] : [`padded to ${format(padded)}`]),
    formatPlural(objects, 'object'),
  ].join(', ');
}

/** Names the steps that train on images: `step 1`, or `steps 1 to 4`. */
export function formatSteps(images: readonly Pick<TrainingImage, 'step'>[]): string {
  const last = images.at(-1)?.step ?? 1;
  return last === 1 ? 'step 1' : `steps 1 to ${formatCount(last)}`;
}
