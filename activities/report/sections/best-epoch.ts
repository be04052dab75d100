import { checkpointPosition } from '../../shared/summary/checkpoint-name.ts';
import type { Report } from '../../../configs/schema/index.ts';

interface BestEpoch {
  readonly epoch: number;
  /** Box AP, 0 to 1. */
  readonly bbox: number;
}

/** Finds the first epoch with the highest box AP in validation; undefined without validations. */
export function findBestEpoch(ap: Report['curves']['ap']): BestEpoch | undefined {
  const known = ap.flatMap(({ epoch, bbox }) => (bbox === null ? [] : { epoch, bbox }));
  return known.reduce<BestEpoch | undefined>((best, one) => (best && best.bbox >= one.bbox ? best : one), undefined);
}

/** Finds the epoch whose checkpoint was tested; undefined if the test used other weights. */
export const findTestedEpoch = ({ metrics }: Pick<Report, 'metrics'>): number | undefined =>
  checkpointPosition(metrics.checkpoint)?.epoch;
