/** Notifications about a run. */
import { z } from 'zod';

export const NotifyEvent = z.enum([
  'started',
  'stalled',
  'recovered',
  'diverged',
  'waiting-for-approval',
  'done',
  'failed',
]);
export type NotifyEvent = z.infer<typeof NotifyEvent>;

/** An address by its name in the environment of the control worker: no input, and so no history, ever holds a secret. */
export const NotifyTarget = z.strictObject({
  to: z.enum(['webhook', 'slack', 'smtp']),
  /** `OPS`: what EVERSWIN_NOTIFY_OPS_URL and its like say. */
  ref: z.string().regex(/^[A-Z][A-Z0-9_]{0,30}$/, 'expected the name of EVERSWIN_NOTIFY_<NAME>_URL, such as OPS'),
  /** All unless given. */
  on: z.array(NotifyEvent).min(1).optional(),
});
export type NotifyTarget = z.infer<typeof NotifyTarget>;

export const NotifyPolicy = z.array(NotifyTarget).max(8);
export type NotifyPolicy = z.infer<typeof NotifyPolicy>;

/** Body of a webhook, from which Slack messages and mails are formatted. */
export const Notification = z.object({
  v: z.literal(1),
  /** `workflow id/run id of Temporal/number`: who gets it twice drops the second by it. */
  id: z.string(),
  event: NotifyEvent,
  /** When it happened; seconds since the epoch. */
  at: z.number(),
  /** Of the run, sweep or model. */
  name: z.string(),
  workflowId: z.string(),
  text: z.string(),
});
export type Notification = z.infer<typeof Notification>;
