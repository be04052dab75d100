/** Result of `gpu-check`. */
import { z } from 'zod';

const MeasuredVariant = z.object({
  /** Step time after the warm-up, from the end of one step to the end of the next. */
  secondsPerStep: z.object({ p50: z.number(), p95: z.number(), mean: z.number() }),
  /** Throughput of all GPUs together. */
  imagesPerSecond: z.number(),
  /** Peak memory of tensors on the first GPU; null on a CPU. */
  peakMemoryMib: z.number().nullable(),
  /** Memory of the first GPU used before training, by other processes and the CUDA context. */
  memoryInUseMib: z.number().nullable(),
  projectedHours: z.number(),
  /** Difference of the loss from that of `stock`, by step; null for `stock` itself or if a loss is not finite. */
  lossDifference: z.object({ max: z.number(), mean: z.number(), meanLoss: z.number() }).nullable(),
  /** Seconds of each step, including the warm-up. */
  seconds: z.array(z.number()),
  losses: z.array(z.number().nullable()),
});
type MeasuredVariant = z.infer<typeof MeasuredVariant>;

export const GpuCheck = z.object({
  v: z.literal(1),
  recipe: z.string(),
  device: z.enum(['cpu', 'cuda']),
  gpus: z.int(),
  batchPerGpu: z.int(),
  iterations: z.int(),
  /** Number of warm-up steps, which do not count. */
  warmUp: z.int(),
  seed: z.int(),
  /** Number of usable CPU cores. */
  cores: z.int(),
  /** Unix seconds. */
  measuredAt: z.number(),
  versions: z.record(z.string(), z.string()),
  /** Training that `projectedHours` assumes: COCO, no validation, perfect scaling over GPUs. */
  projection: z.object({ gpus: z.int(), epochs: z.int(), stepsPerEpoch: z.int() }),
  variants: z.array(
    z.object({
      name: z.string(),
      switches: z.array(z.string()),
      loaderWorkers: z.int(),
      /** Why there is no measurement; null if there is one. */
      error: z.string().nullable(),
      measured: MeasuredVariant.nullable(),
    }),
  ),
});
export type GpuCheck = z.infer<typeof GpuCheck>;
