import { recipeFacts } from '../plan/recipe-facts.ts';
import type { Check, RunPlan } from '../../configs/schema/index.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { checkArchives, type InspectArchives } from './check-archives.ts';
import { checkInputs, type FindMissing } from './check-inputs.ts';
import { checkWeights } from './check-weights.ts';
import { checkExpectation, checkTraining } from './check-training.ts';

/** Checks training settings, expected AP, and the availability and kind of inputs. */
export async function inspectPlan(
  findMissing: FindMissing,
  inspectArchives: InspectArchives,
  plan: RunPlan,
): Promise<Check[]> {
  const inputs = await checkInputs(findMissing, plan);
  const isAvailable = inputs.every(({ verdict }) => verdict !== 'error');
  return [
    ...(isEvaluation(plan) ? [] : checkTraining({ plan, known: recipeFacts(plan.recipe.name) })),
    checkExpectation(plan),
    ...checkWeights(plan),
    ...inputs,
    ...(isAvailable ? await checkArchives(inspectArchives, plan.dataset) : []),
  ];
}
