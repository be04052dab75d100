/** What `gpu-check` measured. */
import { z } from 'zod';

const MeasuredVariant = z.object({
  /** After the warm-up; from the end of one step to the end of the next. */
  secondsPerStep: z.object({ p50: z.number(), p95: z.number(), mean: z.number() }),
  /** Of all GPUs together. */
  imagesPerSecond: z.number(),
  /** Of the first GPU, by tensors; null on a CPU. */
  peakMemoryMib: z.number().nullable(),
  /** Of the first GPU, by others and the CUDA context, before anything was trained. */
  memoryInUseMib: z.number().nullable(),
  projectedHours: z.number(),
  /** Of the loss curve from that of `stock`, step by step; null for `stock` itself and where a loss was not finite. */
  lossDifference: z.object({ max: z.number(), mean: z.number(), meanLoss: z.number() }).nullable(),
  /** Of each step, with the warm-up. */
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
  /** Steps that do not count. */
  warmUp: z.int(),
  seed: z.int(),
  /** CPU cores that could be used. */
  cores: z.int(),
  /** Unix seconds. */
  measuredAt: z.number(),
  versions: z.record(z.string(), z.string()),
  /** The training that `projectedHours` are of: COCO, without validation, and as if more GPUs were not slower. */
  projection: z.object({ gpus: z.int(), epochs: z.int(), stepsPerEpoch: z.int() }),
  variants: z.array(
    z.object({
      name: z.string(),
      switches: z.array(z.string()),
      loaderWorkers: z.int(),
      /** Why there are no figures. */
      error: z.string().nullable(),
      measured: MeasuredVariant.nullable(),
    }),
  ),
});
export type GpuCheck = z.infer<typeof GpuCheck>;
