import type { Attempt, TrainerExit } from '../../../configs/schema/index.ts';
import { failureCatalogue } from '../../shared/errors/failure-catalogue.ts';

/**
 * Returns the GPU of the rank that failed first, if the class of the failure blames the GPU.
 * @param leased UUIDs in the order of the ranks.
 */
export function blameGpu(
  failure: Attempt['failure'],
  exit: TrainerExit | null,
  leased: readonly string[],
): string | undefined {
  const known = failureCatalogue.find(({ entry }) => entry.class === failure?.class);
  if (failure === null || known?.entry.blamesGpu !== true) return undefined;
  const [, rankOfLine] = /^\[rank (\d+)\] /.exec(failure.evidence) ?? [];
  // A line without a rank is from the main log, which is that of rank 0.
  return leased[Number(rankOfLine ?? exit?.rootCause?.rank ?? 0)];
}
