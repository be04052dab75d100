import type { Versions } from './schema/index.ts';

/** Parts of the trainer with a version of their own (trainer/versions.py). */
export const trainerParts = ['recipe', 'dataset', 'weights', 'training', 'test'] as const;
export type TrainerPart = (typeof trainerParts)[number];

/** Parts that determine the trained weights, and the scores of a test. */
export const trainedBy: readonly TrainerPart[] = ['dataset', 'weights', 'training'];
export const testedBy: readonly TrainerPart[] = ['dataset', 'test'];

/**
 * Formats the versions of parts of the trainer, such as `dataset 1, test 2`: equal text, equal results. What earlier
 * versions of everswin left counts as version 1.
 */
export const formatTrainerVersion = ({ trainer }: Pick<Versions, 'trainer'>, parts: readonly TrainerPart[]): string =>
  parts.map((part) => `${part} ${trainer?.[part] ?? 1}`).join(', ');
