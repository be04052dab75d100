/** What a dry run finds before anything is fetched or trained. */
import { z } from 'zod';
import { TrainerFacts } from './trainer-answers.ts';

/** One check of the dry run. */
export const Check = z.object({
  name: z.string(),
  /** `error`: the run would fail; it starts only if forced. */
  verdict: z.enum(['ok', 'warning', 'error']),
  message: z.string(),
  /** What to do about it; null where nothing has to be done. */
  remedy: z.string().nullable(),
});
export type Check = z.infer<typeof Check>;

/** A GPU as its driver describes it. */
export const GpuFacts = z.object({
  uuid: z.string().regex(/^[A-Za-z]+-[0-9A-Za-z-]+$/),
  index: z.int(),
  name: z.string(),
  driver: z.string(),
  memoryTotalBytes: z.number(),
  memoryUsedBytes: z.number(),
});
export type GpuFacts = z.infer<typeof GpuFacts>;

/** What a worker's machine offers a training. */
export const MachineFacts = z.object({
  device: z.enum(['cpu', 'cuda']),
  gpus: z.array(GpuFacts),
  /** Processes of others that hold GPU memory. */
  foreignGpuProcesses: z.array(z.string()),
  memoryBytes: z.number(),
  /** Of /dev/shm, through which loader processes hand over batches; null where there is none. */
  sharedMemoryBytes: z.number().nullable(),
  openFiles: z.int(),
  cores: z.int(),
  diskFreeBytes: z.number(),
  trainer: TrainerFacts,
});
export type MachineFacts = z.infer<typeof MachineFacts>;
