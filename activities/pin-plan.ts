import { runFolder } from '../configs/paths.ts';
import type { FetchedDataset, FetchedWeights, RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { planHash } from './lib/plan/plan-hash.ts';
import { writeReferences } from './lib/plan/references.ts';

export interface FetchedMaterial {
  plan: RunPlan;
  dataset: FetchedDataset;
  weights: FetchedWeights;
}

/**
 * The plan with the hashes of what was fetched: of files whose hash nobody publishes it is known only now, and it decides
 * the plan's own. From here on pruning leaves alone what the run needs.
 */
export const createPinPlan =
  ({ home }: ActivityDependencies) =>
  async ({ plan, dataset, weights }: FetchedMaterial): Promise<RunPlan> => {
    await writeReferences(runFolder(home, plan.runId), dataset, weights);
    const { backbone } = plan.weights;
    const pinned: RunPlan = {
      ...plan,
      dataset: {
        ...plan.dataset,
        contentKey: dataset.contentKey,
        archives: plan.dataset.archives.map((archive, place) => ({ ...archive, ...dataset.archives[place] })),
      },
      weights: { backbone: { ...backbone, source: { ...backbone.source, ...weights.source } } },
    };
    return { ...pinned, planHash: planHash(pinned) };
  };
