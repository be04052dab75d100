import { gpusPerHost } from '../../configs/schema/plan-hosts.ts';
import type { RunPlan } from '../../configs/schema/index.ts';
import type { GpuDependencies } from './dependencies.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import type { GpuRequest } from '../shared/trainer/trainer-argv.ts';

const defaultPriority = 3;

/**
 * How many GPUs of this machine a run works on.
 * @throws CodedError TrainingFailed where nodes of Slurm would get different numbers.
 */
export function gpusOnThisHost(
  { slurm }: Pick<GpuDependencies, 'slurm'>,
  plan: Pick<RunPlan, 'gpus' | 'input'>,
): number {
  if (slurm === undefined || plan.input.hosts !== undefined) return gpusPerHost(plan);
  if (plan.gpus % slurm.nodes === 0) return plan.gpus / slurm.nodes;
  const problem = `The worker starts trainings on ${slurm.nodes} nodes (EVERSWIN_SLURM_NODES)`;
  throw new CodedError('TrainingFailed', `${problem}, and ${plan.gpus} GPUs cannot be shared out evenly among them.`);
}

/** A run keeps its place when its worker dies; one whose trainer crashed goes behind those that wait already. */
export const trainingGpuRequest = (
  sharing: GpuDependencies,
  plan: RunPlan,
  {
    queuedSince = Date.now() / 1000,
    priority = defaultPriority,
  }: { queuedSince?: number | undefined; priority?: number | undefined },
): GpuRequest => buildGpuRequest(sharing, plan, priority, queuedSince);

/** A test takes minutes and ends a run of days, so it goes before trainings of its own priority. */
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
