/** Several hosts that train together. */
import { z } from 'zod';

/** rendezvous.json: written by the host in the lead, followed by those that join it. */
export const Rendezvous = z.object({
  v: z.literal(1),
  /** The attempt that it is for: of which run of the workflow, and its number there. */
  workflowRun: z.string(),
  attempt: z.int(),
  /** Token of the attempt. */
  fence: z.int(),
  /** Token under which the trainer runs: an older one where a running trainer is adopted. */
  trainerFence: z.int(),
  /** `address:port` of the leader, and what tells this meeting from others there. */
  endpoint: z.string(),
  id: z.string(),
  /** Checkpoint to go on from; `planHash` where it is another plan's. */
  resume: z.object({ file: z.string(), planHash: z.string().optional() }).nullable(),
});
export type Rendezvous = z.infer<typeof Rendezvous>;

/** How the part of a host that joined has ended. */
export const HostResult = z.object({
  /** `lost`: its supervisor was killed; `unstarted`: it could not be started. */
  outcome: z.enum(['finished', 'preempted', 'crashed', 'hung', 'lost', 'unstarted']),
  cause: z.string().nullable(),
});
export type HostResult = z.infer<typeof HostResult>;
