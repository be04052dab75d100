import type { Check, RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { checkNotify } from './lib/preflight/check-notify.ts';
import { inspectPlan } from './lib/preflight/inspect-plan.ts';

/** The dry run's first half, for the control worker. */
export const createCheckPlan =
  ({ home, notifyPlaces }: ActivityDependencies) =>
  async (plan: RunPlan): Promise<Check[]> => [
    ...(await inspectPlan(home, plan)),
    ...checkNotify(plan.input.notify ?? [], notifyPlaces),
  ];
