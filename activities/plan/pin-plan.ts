import { runFolder } from '../../configs/paths.ts';
import type { FetchedDataset, FetchedWeights, RunPlan } from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { planHash } from './plan-hash.ts';
import { writeReferences } from './references.ts';

export interface FetchedInputs {
  plan: RunPlan;
  dataset: FetchedDataset;
  weights: FetchedWeights;
}

/**
 * The plan with the hashes of what was fetched: of files whose hash nobody publishes it is known only now, and it decides
 * the plan's own. From here on pruning leaves alone what the run needs.
 */
export const createPinPlan =
  ({ home }: { home: string }) =>
  async ({ plan, dataset, weights }: FetchedInputs): Promise<RunPlan> => {
    await writeReferences(runFolder(home, plan.runId), dataset, weights);
    const { part, id, source } = startingWeights(plan.weights);
    const pinnedWeights = { id, source: { ...source, ...weights.source } };
    const pinned: RunPlan = {
      ...plan,
      dataset: {
        ...plan.dataset,
        contentKey: dataset.contentKey,
        archives: plan.dataset.archives.map((archive, place) => ({ ...archive, ...dataset.archives[place] })),
      },
      weights: part === 'detector' ? { detector: pinnedWeights } : { backbone: pinnedWeights },
    };
    return { ...pinned, planHash: planHash(pinned) };
  };
