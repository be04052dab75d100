import { recipeFacts } from '../../../configs/references.ts';
import type { Check, RunPlan } from '../../../configs/schema.ts';
import { checkMaterial } from './check-material.ts';
import { checkTraining } from './check-training.ts';

/** What will be trained, what has to be fetched for it, and what may be expected. */
export const inspectPlan = async (home: string, plan: RunPlan): Promise<Check[]> => [
  ...checkTraining({ plan, known: recipeFacts(plan.recipe.name) }),
  ...(await checkMaterial(home, plan)),
];
