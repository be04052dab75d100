/** Multi-host training. */
import { z } from 'zod';
import { Failure } from './progress.ts';

/** rendezvous.json: the leader writes it, and the other hosts join it. */
export const Rendezvous = z.object({
  v: z.literal(1),
  /** Temporal run id of the workflow, and number of the attempt in it. */
  workflowRun: z.string(),
  attempt: z.int(),
  /** Fencing token of the attempt. */
  fence: z.int(),
  /** Fencing token of the trainer; older than `fence` if a running trainer is adopted. */
  trainerFence: z.int(),
  /** `address:port` of the leader. `id` distinguishes this rendezvous from others at the same endpoint. */
  endpoint: z.string(),
  id: z.string(),
  /** Checkpoint to resume from; `planHash` if it belongs to another plan. */
  resume: z.object({ file: z.string(), planHash: z.string().optional() }).nullable(),
});
export type Rendezvous = z.infer<typeof Rendezvous>;

/** Outcome of a host that joined an attempt. */
export const HostResult = z.object({
  /** `lost`: its supervisor was killed; `unstarted`: it could not be started. */
  outcome: z.enum(['finished', 'preempted', 'crashed', 'hung', 'lost', 'unstarted']),
  cause: z.string().nullable(),
  /** Class of the failure of an unstarted host. */
  failure: Failure.optional(),
});
export type HostResult = z.infer<typeof HostResult>;
