import type { Check, RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { inspectPlan } from './lib/preflight/inspect-plan.ts';

/** The dry run's first half, for the control worker. */
export const createCheckPlan =
  ({ home }: ActivityDependencies) =>
  (plan: RunPlan): Promise<Check[]> =>
    inspectPlan(home, plan);
