import { recipeFacts } from '../plan/recipe-facts.ts';
import type { Check, RunPlan } from '../../configs/schema/index.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { checkInputs, type FindMissing } from './check-inputs.ts';
import { checkWeights } from './check-weights.ts';
import { checkExpectation, checkTraining } from './check-training.ts';

/** Checks training settings, expected AP and the availability of inputs. */
export const inspectPlan = async (findMissing: FindMissing, plan: RunPlan): Promise<Check[]> => [
  ...(isEvaluation(plan) ? [] : checkTraining({ plan, known: recipeFacts(plan.recipe.name) })),
  checkExpectation(plan),
  ...checkWeights(plan),
  ...(await checkInputs(findMissing, plan)),
];
