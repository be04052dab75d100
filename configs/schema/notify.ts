/** Notifications about a run. */
import { z } from 'zod';

export const NotifyEvent = z.enum([
  'started',
  'stalled',
  'recovered',
  'diverged',
  'gpu-health',
  'waiting-for-approval',
  'done',
  'failed',
]);
export type NotifyEvent = z.infer<typeof NotifyEvent>;

/** An address by its name in the environment of the control worker, so inputs and histories contain no secrets. */
export const NotifyTarget = z.strictObject({
  to: z.enum(['webhook', 'slack', 'smtp']).describe('Kind of the target.'),
  ref: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,30}$/, 'expected the name of EVERSWIN_NOTIFY_<NAME>_URL, such as OPS')
    .describe('Name of the target: `OPS` refers to EVERSWIN_NOTIFY_OPS_URL and related variables of the worker.'),
  on: z.array(NotifyEvent).min(1).describe('Events to send. Without it, all are sent.').optional(),
});
export type NotifyTarget = z.infer<typeof NotifyTarget>;

export const NotifyPolicy = z.array(NotifyTarget).max(8);
export type NotifyPolicy = z.infer<typeof NotifyPolicy>;

/** Body of a webhook, from which Slack messages and mails are formatted. */
export const Notification = z.object({
  v: z.literal(1),
  /** `workflow id/run id of Temporal/number`. Receivers use it to drop duplicates. */
  id: z.string(),
  event: NotifyEvent,
  /** Time of the event, in Unix seconds. */
  at: z.number(),
  /** Name of the run, sweep or model. */
  name: z.string(),
  workflowId: z.string(),
  text: z.string(),
});
export type Notification = z.infer<typeof Notification>;
