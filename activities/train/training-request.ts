import type { Rollback, RunPlan, TrainerControl } from '../../configs/schema/index.ts';

export interface LaunchRequest {
  plan: RunPlan;
  /** Time at which the run joined the GPU queue, Unix seconds; now if undefined. */
  queuedSince?: number;
  /** Priority in the GPU queue, 1 (first) to 5; 3 if undefined. */
  priority?: number | undefined;
}

/** GPUs that earlier attempts of the run have seen, by UUID. */
interface SeenGpus {
  known: string[];
  /** Those that the run no longer uses. */
  leftOut: string[];
}

export interface TrainingRequest extends LaunchRequest {
  /** Number of this attempt; the workflow counts attempts over the entire run. */
  attempt: number;
  control: TrainerControl;
  rollback: Rollback | null;
  /** Highest fence of the earlier attempts; absent if none had one. The run folder may have been deleted. */
  lastFence?: number;
  /** Newest iteration that this workflow run knows to be saved; null or absent if there is none. */
  savedIteration?: number | null;
  /** Start of the first attempt of this workflow run, Unix seconds. */
  since: number;
  gpus?: SeenGpus;
  /** Whether the workflow understands named progress signals; those of earlier versions would lose them. */
  namesProgress?: boolean;
}

export interface JoinRequest extends LaunchRequest {
  /** This machine, as the run's input names it. */
  host: string;
  /** Number of the attempt to join. */
  attempt: number;
}
