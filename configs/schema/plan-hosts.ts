/** Which machines train a run. */
import { isEvaluation } from './plan-weights.ts';

interface HostedPlan {
  epochs: number;
  gpus: number;
  input: { hosts?: string[] | undefined };
}

/** Names of the GPU workers that train together, the leader first; empty where any one worker takes it all. */
export const hostsOf = (plan: Pick<HostedPlan, 'epochs' | 'input'>): string[] => {
  const hosts = plan.input.hosts ?? [];
  // Nothing is trained: the first can test alone.
  return isEvaluation(plan) ? hosts.slice(0, 1) : hosts;
};

/** How many GPUs of each machine: a test takes those of one. */
export const gpusPerHost = ({ gpus, input }: Pick<HostedPlan, 'gpus' | 'input'>): number =>
  gpus / (input.hosts?.length ?? 1);
