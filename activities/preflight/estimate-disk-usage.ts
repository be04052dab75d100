import type { RecipeFacts, RunPlan } from '../../configs/schema/index.ts';
import { isEvaluation, startingWeights } from '../../configs/schema/plan-weights.ts';
import type { DiskUsage } from './check-disk.ts';
import type { FindMissing } from './check-inputs.ts';
import { checkpointBytes, checkpointsKept } from './training-arithmetic.ts';

/** What a run will put on a disk that is the store's and the run's at once. Files of unknown size are not counted. */
export async function estimateDiskUsage(
  findMissing: FindMissing,
  plan: RunPlan,
  known: RecipeFacts[string] | undefined,
): Promise<DiskUsage[]> {
  const files = [...plan.dataset.archives, startingWeights(plan.weights).source];
  const missing = await findMissing(files);
  const count = isEvaluation(plan) ? 0 : checkpointsKept(plan);
  const unpacked = plan.dataset.extractImages
    ? [{ label: 'of unpacked images', bytes: plan.dataset.archives.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0) }]
    : [];
  return [
    { label: 'to fetch', bytes: missing.reduce((sum, { size: need }) => sum + (need?.diskBytes ?? 0), 0) },
    ...unpacked,
    { label: `of ${count} checkpoints`, bytes: count * checkpointBytes(known?.parameters ?? 0) },
  ];
}
