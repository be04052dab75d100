/** Hosts and GPUs of a plan. */
import { isEvaluation } from './plan-weights.ts';

interface HostedPlan {
  epochs: number;
  gpus: number;
  input: { hosts?: string[] | undefined };
}

/** Returns the names of the GPU workers that train together, leader first; empty if any single worker may run it. */
export const hostsOf = (plan: Pick<HostedPlan, 'epochs' | 'input'>): string[] => {
  const hosts = plan.input.hosts ?? [];
  // An evaluation trains nothing, so the leader tests alone.
  return isEvaluation(plan) ? hosts.slice(0, 1) : hosts;
};

/** Returns the number of GPUs per machine. A test uses the GPUs of one machine. */
export const gpusPerHost = ({ gpus, input }: Pick<HostedPlan, 'gpus' | 'input'>): number =>
  gpus / (input.hosts?.length ?? 1);

/** Returns the number of ranks that train on all hosts together: those of the plan, unless GPUs have failed. */
export const trainingGpus = (
  { gpus }: Pick<HostedPlan, 'gpus'>,
  control: { gpus?: number | undefined } | null | undefined,
): number => control?.gpus ?? gpus;
