/** Messages between the worker and its mirror process. Credentials are passed in the environment instead. */
import { z } from 'zod';

/** State of the copy in the store. */
export const MirrorState = z.object({
  address: z.string(),
  /** Number of checkpoints in the upload queue. */
  backlog: z.int().nonnegative(),
  newest: z.object({ file: z.string(), iteration: z.int(), at: z.number() }).nullable(),
  /** Age of the oldest checkpoint that is newer than all checkpoints in the store. */
  lagSeconds: z.number(),
  bytesSent: z.number(),
  /** Current error, if any. Mirroring is retried, unless a newer attempt took over. */
  problem: z.string().nullable(),
  /** True once a newer attempt on another host took over; this mirror then sends nothing more. */
  isSuperseded: z.boolean(),
});
export type MirrorState = z.infer<typeof MirrorState>;

/** Run to mirror, and its destination. */
export const MirrorConfig = z.object({
  home: z.string(),
  runId: z.string(),
  /** Fence of the attempt that mirrors. */
  fence: z.int().nonnegative(),
  /** Address of the store, as `openStore` accepts it. */
  address: z.string(),
  s3: z.object({ endpoint: z.string().optional(), region: z.string().optional() }),
  /** Polling interval of the run folder. */
  pollMs: z.number().positive(),
});
export type MirrorConfig = z.infer<typeof MirrorConfig>;

export const MirrorCommand = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), config: MirrorConfig }),
  z.object({ type: z.literal('flush'), id: z.int() }),
  z.object({ type: z.literal('stop') }),
]);
export type MirrorCommand = z.infer<typeof MirrorCommand>;

export const MirrorReport = z.discriminatedUnion('type', [
  z.object({ type: z.literal('state'), state: MirrorState }),
  z.object({ type: z.literal('flushed'), id: z.int(), state: MirrorState }),
]);
export type MirrorReport = z.infer<typeof MirrorReport>;
