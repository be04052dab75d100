import type { RecipeFacts, RunPlan } from '../../configs/schema/index.ts';
import { isEvaluation, startingWeights } from '../../configs/schema/plan-weights.ts';
import type { DiskUsage } from './check-disk.ts';
import { groupByTransfer, type FindMissing } from './check-inputs.ts';
import { checkpointBytes, checkpointsKept } from './training-arithmetic.ts';

/** Estimates the disk usage of a run whose store and run folder share one disk. Files of unknown size count as 0 bytes. */
export async function estimateDiskUsage(
  findMissing: FindMissing,
  plan: RunPlan,
  known: RecipeFacts[string] | undefined,
): Promise<DiskUsage[]> {
  const files = [...plan.dataset.archives, startingWeights(plan.weights).source];
  const missing = await findMissing(files);
  const count = isEvaluation(plan) ? 0 : checkpointsKept(plan);
  const unpacked = plan.dataset.extractImages
    ? [
        {
          label: 'for extracted images',
          bytes: plan.dataset.archives.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
        },
      ]
    : [];
  return [
    ...groupByTransfer(missing).map(([label, group]) => ({
      label,
      bytes: group.reduce((sum, { size }) => sum + (size?.diskBytes ?? 0), 0),
    })),
    ...unpacked,
    { label: `for ${count} checkpoints`, bytes: count * checkpointBytes(known?.parameters ?? 0, plan.recipe.summary) },
  ];
}
