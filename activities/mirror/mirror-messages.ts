/** What the worker and the process of its mirror tell each other. Credentials are not among it: those are in the environment. */
import { z } from 'zod';

/** How the copy in the store stands. */
export const MirrorState = z.object({
  address: z.string(),
  /** Checkpoints that wait. */
  backlog: z.int().nonnegative(),
  newest: z.object({ file: z.string(), iteration: z.int(), at: z.number() }).nullable(),
  /** How long the oldest checkpoint that is newer than all in the store has been waiting. */
  lagSeconds: z.number(),
  bytesSent: z.number(),
  /** Why nothing is mirrored at the moment; it is tried again, unless a newer attempt took over. */
  problem: z.string().nullable(),
  /** A newer attempt took over, elsewhere: this one sends nothing any more. */
  isSuperseded: z.boolean(),
});
export type MirrorState = z.infer<typeof MirrorState>;

/** Which run goes where. */
export const MirrorConfig = z.object({
  home: z.string(),
  runId: z.string(),
  /** Of the attempt whose run this is. */
  fence: z.int().nonnegative(),
  /** Of the store: configs know its form, `openStore` its meaning. */
  address: z.string(),
  s3: z.object({ endpoint: z.string().optional(), region: z.string().optional() }),
  /** Between two looks at the run's folder. */
  everyMs: z.number().positive(),
});
export type MirrorConfig = z.infer<typeof MirrorConfig>;

export const MirrorCommand = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), order: MirrorConfig }),
  z.object({ type: z.literal('flush'), id: z.int() }),
  z.object({ type: z.literal('stop') }),
]);
export type MirrorCommand = z.infer<typeof MirrorCommand>;

export const MirrorReport = z.discriminatedUnion('type', [
  z.object({ type: z.literal('state'), state: MirrorState }),
  z.object({ type: z.literal('flushed'), id: z.int(), state: MirrorState }),
]);
export type MirrorReport = z.infer<typeof MirrorReport>;
