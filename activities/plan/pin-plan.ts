import { runFolder } from '../../configs/paths.ts';
import type { FetchedDataset, FetchedWeights, RunPlan } from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { planHash } from './plan-hash.ts';
import { writeReferences } from './references.ts';

interface FetchedInputs {
  plan: RunPlan;
  dataset: FetchedDataset;
  weights: FetchedWeights;
}

/**
 * Creates the activity that adds the hashes of fetched files to a plan and updates the plan hash. Files without a published
 * hash get theirs here. It also records references, so that pruning keeps the files.
 */
export const createPinPlan =
  ({ home }: { home: string }) =>
  async ({ plan, dataset, weights }: FetchedInputs): Promise<RunPlan> => {
    await writeReferences(runFolder(home, plan.runId), dataset, weights);
    const { part, ...planned } = startingWeights(plan.weights);
    const { file, sha256, bytes } = weights.source;
    const classes = weights.classes ?? planned.classes;
    const pinnedWeights = {
      ...planned,
      source: { ...planned.source, file, sha256, bytes },
      ...(part === 'detector' && classes !== undefined ? { classes } : {}),
    };
    const pinned: RunPlan = {
      ...plan,
      dataset: {
        ...plan.dataset,
        contentKey: dataset.contentKey,
        archives: plan.dataset.archives.map((archive, index) => ({ ...archive, ...dataset.archives[index] })),
      },
      weights: part === 'detector' ? { detector: pinnedWeights } : { backbone: pinnedWeights },
    };
    return { ...pinned, planHash: planHash(pinned) };
  };
