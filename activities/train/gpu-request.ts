import { gpusPerHost } from '../../configs/schema/plan-hosts.ts';
import type { RunPlan } from '../../configs/schema/index.ts';
import type { GpuDependencies } from './dependencies.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import type { GpuRequest } from '../shared/trainer/trainer-argv.ts';

const defaultPriority = 3;

/**
 * Returns the number of GPUs that a run uses on each host.
 * @throws CodedError TrainingFailed when the GPUs do not divide evenly among the Slurm nodes.
 */
export function gpusOnThisHost(
  { slurm }: Pick<GpuDependencies, 'slurm'>,
  plan: Pick<RunPlan, 'gpus' | 'input'>,
): number {
  if (slurm === undefined || plan.input.hosts !== undefined) return gpusPerHost(plan);
  if (plan.gpus % slurm.nodes === 0) return plan.gpus / slurm.nodes;
  const message = `${plan.gpus} GPUs do not divide evenly among ${slurm.nodes} Slurm nodes (EVERSWIN_SLURM_NODES).`;
  throw new CodedError('TrainingFailed', message);
}

/** Requests GPUs for training. A run keeps its queue position when its worker dies, but not when its trainer crashes. */
export const trainingGpuRequest = (
  sharing: GpuDependencies,
  plan: RunPlan,
  {
    queuedSince = Date.now() / 1000,
    priority = defaultPriority,
  }: { queuedSince?: number | undefined; priority?: number | undefined },
): GpuRequest => buildGpuRequest(sharing, plan, priority, queuedSince);

/** Requests GPUs for a test. It takes minutes and completes a run of days, so it precedes trainings of its priority. */
export const testGpuRequest = (sharing: GpuDependencies, plan: RunPlan, priority = defaultPriority): GpuRequest =>
  buildGpuRequest(sharing, plan, priority - 1, Date.now() / 1000);

const buildGpuRequest = (
  { gpus, device, slurm }: GpuDependencies,
  plan: RunPlan,
  priority: number,
  since: number,
): GpuRequest => ({
  folder: gpus.folder,
  foreignMib: gpus.foreignMib,
  device,
  count: gpusOnThisHost({ slurm }, plan),
  priority,
  since,
});
