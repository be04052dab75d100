/** Result of `gpu-check`. */
import { z } from 'zod';

const MeasuredVariant = z.object({
  /** Step time after the warm-up over all rounds, from the end of one step to the end of the next. */
  secondsPerStep: z.object({ p50: z.number(), p95: z.number(), mean: z.number() }),
  /** Throughput of all GPUs together. */
  imagesPerSecond: z.number(),
  /**
   * Times as fast as `stock`: in each round, on the same batches. `min` and `max` are the spread over the rounds. Null
   * for `stock` itself.
   */
  speedup: z.object({ mean: z.number(), min: z.number(), max: z.number(), rounds: z.array(z.number()) }).nullable(),
  /** Mean time per step that the host waits for a batch. */
  dataSeconds: z.number(),
  /** Mean number of positive boxes per image, by cascade stage. */
  positives: z.array(z.number()),
  /** Peak memory of tensors on the first GPU; null on a CPU. */
  peakMemoryMib: z.number().nullable(),
  /** Peak memory that PyTorch reserved on the first GPU; null on a CPU. */
  reservedMemoryMib: z.number().nullable(),
  /** TFLOP of the forward and backward passes of a step on the first GPU, counted by PyTorch's counter. */
  teraflopPerStep: z.number().nullable(),
  /** Model FLOPs utilization: `teraflopPerStep` per step time, as a share of the GPU's peak; null if that is unknown. */
  mfu: z.number().nullable(),
  /** Kernels and graphs that the host launches per step; null on a CPU or if the GPU cannot be profiled. */
  kernelLaunches: z.number().nullable(),
  /** Waits of the host for the GPU per step (cudaStreamSynchronize); null like `kernelLaunches`. */
  streamSyncs: z.number().nullable(),
  /** Share of the step time in which the first GPU does nothing; null like `kernelLaunches`. */
  idleShare: z.number().nullable(),
  /** Hours of the training in `projection`. */
  projectedHours: z.number(),
  /**
   * Difference of the loss from that in the first round of `stock`, by step; for `stock`, that of its other rounds.
   * Null if a loss is not finite, or without such a round.
   */
  lossDifference: z.object({ max: z.number(), mean: z.number(), meanLoss: z.number() }).nullable(),
  /** Seconds and loss of each step, including the warm-up. A round has fewer steps if the time was over. */
  rounds: z.array(z.object({ seconds: z.array(z.number()), losses: z.array(z.number().nullable()) })),
});

export const GpuCheck = z.object({
  v: z.literal(2),
  recipe: z.string(),
  device: z.enum(['cpu', 'cuda']),
  gpus: z.int(),
  batchPerGpu: z.int(),
  /** Requested steps per variant and round. */
  iterations: z.int(),
  /** Requested rounds. */
  rounds: z.int(),
  /** Number of warm-up steps of each round, which do not count. */
  warmUp: z.int(),
  seed: z.int(),
  /** Number of usable CPU cores. */
  cores: z.int(),
  /** Unix seconds. */
  measuredAt: z.number(),
  /** Limit of the duration, and the duration. */
  limitSeconds: z.number(),
  seconds: z.number(),
  versions: z.record(z.string(), z.string()),
  /** Memory of the first GPU used before the measurement, by other processes and the CUDA context; null on a CPU. */
  memoryInUseMib: z.number().nullable(),
  /** Training that `projectedHours` assumes: COCO, no validation, perfect scaling over GPUs. */
  projection: z.object({ gpus: z.int(), epochs: z.int(), stepsPerEpoch: z.int() }),
  variants: z.array(
    z.object({
      name: z.string(),
      switches: z.array(z.string()),
      loaderWorkers: z.int(),
      /** Why there is no measurement, or no complete one; null if there is one. */
      error: z.string().nullable(),
      measured: MeasuredVariant.nullable(),
    }),
  ),
});
export type GpuCheck = z.infer<typeof GpuCheck>;

/** Answer of `gpu-check-bundle`. */
export const GpuCheckBundle = z.object({
  v: z.literal(1),
  /** Size of all files. */
  bytes: z.int(),
  /** Versions of the packages in the bundle, by name. */
  packages: z.record(z.string(), z.string()),
});
export type GpuCheckBundle = z.infer<typeof GpuCheckBundle>;
