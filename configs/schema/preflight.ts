/** Results of the dry run. */
import { GpuHealth } from './gpu-health.ts';
import { z } from 'zod';
import { TrainerFacts } from './trainer-answers.ts';

/** One check of the dry run. */
export const Check = z.object({
  name: z.string(),
  /** `error`: the run would fail; it starts only if forced. */
  verdict: z.enum(['ok', 'warning', 'error']),
  message: z.string(),
  /** What to do; null if nothing. */
  remedy: z.string().nullable(),
});
export type Check = z.infer<typeof Check>;

/** A GPU, as reported by its driver. */
export const GpuFacts = z.object({
  uuid: z.string().regex(/^[A-Za-z]+-[0-9A-Za-z-]+$/),
  index: z.int(),
  name: z.string(),
  driver: z.string(),
  memoryTotalBytes: z.number(),
  memoryUsedBytes: z.number(),
});
export type GpuFacts = z.infer<typeof GpuFacts>;

/** Resources of a worker's machine. */
export const MachineFacts = z.object({
  device: z.enum(['cpu', 'cuda']),
  gpus: z.array(GpuFacts),
  /** Null on a machine without NVIDIA GPUs. */
  gpuHealth: GpuHealth.nullable(),
  /** Foreign processes that use GPU memory. */
  foreignGpuProcesses: z.array(z.string()),
  /** Size of /dev/shm, through which loader processes pass batches; null if it does not exist. */
  sharedMemoryBytes: z.number().nullable(),
  openFiles: z.int(),
  cores: z.int(),
  diskFreeBytes: z.number(),
  trainer: TrainerFacts,
});
export type MachineFacts = z.infer<typeof MachineFacts>;
