import type { RecipeFacts, RunPlan } from '../../../configs/schema.ts';
import { isEvaluation, startingWeights } from '../../../configs/starting-weights.ts';
import type { DiskNeed } from './check-disk.ts';
import { findMissing } from './check-material.ts';
import { checkpointBytes, checkpointsKept } from './training-arithmetic.ts';

/** What a run will put on a disk that is the store's and the run's at once. Files of unknown size are not counted. */
export async function diskNeeds(
  home: string,
  plan: RunPlan,
  known: RecipeFacts[string] | undefined,
): Promise<DiskNeed[]> {
  const files = [...plan.dataset.archives, startingWeights(plan.weights).source];
  const missing = await findMissing(home, files);
  const sum = (some: typeof files) => some.reduce((bytes, file) => bytes + (file.bytes ?? 0), 0);
  const count = isEvaluation(plan) ? 0 : checkpointsKept(plan);
  const unpacked = plan.dataset.extractImages
    ? [{ what: 'of unpacked images', bytes: sum(plan.dataset.archives) }]
    : [];
  return [
    { what: 'to fetch', bytes: sum(missing) },
    ...unpacked,
    { what: `of ${count} checkpoints`, bytes: count * checkpointBytes(known?.parameters ?? 0) },
  ];
}
