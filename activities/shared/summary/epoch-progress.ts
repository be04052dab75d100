import type { Progress } from '../../../configs/schema/index.ts';
import { formatCount } from './format-time.ts';

type Steps = Pick<Progress, 'epoch' | 'epochs' | 'iteration' | 'iterationsPerEpoch'>;

/** Formats the epoch in progress and the step within it: `epoch 3/36  step 120/500`. Without its length, only the epoch. */
export function formatEpochProgress({ epoch, epochs, iteration, iterationsPerEpoch: steps }: Steps): string {
  if (steps === undefined || steps === 0) return `epoch ${epoch}/${epochs}`;
  const current = Math.min(epochs, Math.max(1, Math.ceil(iteration / steps)));
  return `epoch ${current}/${epochs}  step ${formatCount(iteration - (current - 1) * steps)}/${formatCount(steps)}`;
}

/** Returns the trained share of all epochs, from 0 to 1. */
export function trainedShare({ epoch, epochs, iteration, iterationsPerEpoch = 0 }: Steps): number {
  if (epochs === 0) return 0;
  return Math.min(1, iterationsPerEpoch === 0 ? epoch / epochs : iteration / (epochs * iterationsPerEpoch));
}
