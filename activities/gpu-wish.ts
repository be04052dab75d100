import type { RunPlan } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import type { GpuWish } from './lib/trainer/trainer-argv.ts';

const usualPriority = 3;

type Sharing = Pick<ActivityDependencies, 'gpus' | 'device'>;

/** A run keeps its place when its worker dies; one whose trainer crashed goes behind those that wait already. */
export const trainingWish = (
  sharing: Sharing,
  plan: RunPlan,
  {
    queuedSince = Date.now() / 1000,
    priority = usualPriority,
  }: { queuedSince?: number | undefined; priority?: number | undefined },
): GpuWish => wish(sharing, plan, priority, queuedSince);

/** A test takes minutes and ends a run of days, so it goes before trainings of its own priority. */
export const testWish = (sharing: Sharing, plan: RunPlan, priority = usualPriority): GpuWish =>
  wish(sharing, plan, priority - 1, Date.now() / 1000);

const wish = ({ gpus, device }: Sharing, plan: RunPlan, priority: number, since: number): GpuWish => ({
  ...{ folder: gpus.folder, foreignMib: gpus.foreignMib },
  ...{ device, count: plan.gpus, priority, since },
});
