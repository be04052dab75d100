import type { RecipeFacts, RunPlan } from '../../configs/schema/index.ts';
import { isEvaluation } from '../../configs/schema/plan-weights.ts';
import { checkpointBytes } from './training-arithmetic.ts';

const mebibyte = 2 ** 20;

/**
 * Memory of each process that the kernel cannot reclaim, in MiB, as test/bench/host_memory.py measured it. Page cache,
 * such as the mapped annotations, is not part of it.
 */
const measuredMib = {
  /** PyTorch and MMDetection, imported. */
  rank: 450,
  /** Loader process without its batches. */
  loader: 90,
  /** Batches of one loader process, per image: two that are prefetched and one in the making. */
  loaderImage: 24,
  torchrun: 260,
  /** GPU worker, control worker, supervisor and Temporal's development server. */
  services: 640,
  /** Validation on 5,000 images, on rank 0: ground truth, detections and scores. */
  validation: 830,
};

/** Bytes of the gradient of one parameter. */
const gradientBytes = 4;
/** Images of the validation split with which `validation` was measured: COCO's. */
const measuredImages = 5000;

/** Not measured, because it needs a GPU: what CUDA and NCCL take of the host for each rank. */
const cudaAllowance = 2 * 2 ** 30;
/** For the operating system, and for page cache of the samples that all ranks share (0.5 GiB at COCO's size). */
const systemAllowance = 2 ** 30;

interface HostMemory {
  /** Sum of measured parts; with less, the kernel kills processes. */
  measuredBytes: number;
  parts: { label: string; bytes: number }[];
  /** The above, and what was not measured. */
  recommendedBytes: number;
}

/** What host memory and the checks of a machine depend on. */
export type PlannedTraining = Pick<
  RunPlan,
  'gpus' | 'batchPerGpu' | 'loaderWorkers' | 'epochs' | 'dataset' | 'recipe' | 'recovery'
>;

/** Estimates the peak of the host memory of a training or a test on one machine. */
export function estimateHostMemory(
  plan: PlannedTraining,
  known: RecipeFacts[string] | undefined,
  device: 'cpu' | 'cuda',
): HostMemory {
  const { gpus, batchPerGpu, loaderWorkers, recipe } = plan;
  const parameters = isEvaluation(plan) ? 0 : (known?.parameters ?? 0);
  const state = checkpointBytes(parameters, recipe.summary);
  const loaders = gpus * loaderWorkers;
  const validationImages = plan.dataset.val.counts?.images ?? measuredImages;
  const parts = [
    { label: `${gpus} ranks`, bytes: gpus * mib(measuredMib.rank) },
    // Without a GPU, weights, gradients and moments are in host memory too.
    ...(device === 'cpu' ? [{ label: 'their models', bytes: gpus * (state + gradientBytes * parameters) }] : []),
    { label: 'torchrun, workers and server', bytes: mib(measuredMib.torchrun + measuredMib.services) },
    {
      label: `${loaders} loader processes`,
      bytes: loaders * mib(measuredMib.loader + batchPerGpu * measuredMib.loaderImage),
    },
    { label: 'the copy of a state that is saved', bytes: state },
    { label: 'validation', bytes: (mib(measuredMib.validation) * validationImages) / measuredImages },
  ].filter(({ bytes }) => bytes > 0);
  const measuredBytes = sum(parts);
  // A standby trainer has everything imported, as a rank. None is started where memory is short.
  const standby = plan.recovery.standby ? mib(measuredMib.rank) : 0;
  const allowance = systemAllowance + standby + (device === 'cuda' ? gpus * cudaAllowance : 0);
  return { measuredBytes, parts, recommendedBytes: measuredBytes + allowance };
}

const mib = (count: number): number => count * mebibyte;
const sum = (parts: readonly { bytes: number }[]): number => parts.reduce((total, { bytes }) => total + bytes, 0);
