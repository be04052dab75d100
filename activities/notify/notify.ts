import type { Notification, NotifyTarget } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import type { NotificationTarget } from './notification-target.ts';
import { sendSlack } from './slack.ts';
import { sendMail } from './smtp.ts';
import { sendWebhook } from './webhook.ts';

export interface NotifyRequest {
  target: Pick<NotifyTarget, 'to' | 'ref'>;
  notification: Notification;
}

/** Worker dependencies of sending notifications. */
export interface NotifyDependencies {
  /** Notification targets by the names that inputs use. */
  notificationTargets: ReadonlyMap<string, NotificationTarget>;
}

type Send = (target: NotificationTarget, notification: Notification, timeoutMs: number) => Promise<void>;
const senders: Record<NotifyTarget['to'], Send> = { webhook: sendWebhook, slack: sendSlack, smtp: sendMail };

/**
 * Creates the activity that sends a notification to one target, at least once: Temporal retries it, and receivers can drop
 * duplicates by id.
 * @param timeoutMs for the response of a server.
 */
export const createNotify =
  ({ notificationTargets: notifyPlaces }: NotifyDependencies, timeoutMs = 10_000) =>
  async ({ target: { to, ref }, notification }: NotifyRequest): Promise<void> => {
    const destination = notifyPlaces.get(ref);
    if (destination === undefined)
      throw new CodedError(
        'NotifyRefused',
        `Notification target ${ref} is not configured: EVERSWIN_NOTIFY_${ref}_URL is not set for this worker.`,
      );
    await senders[to](destination, notification, timeoutMs);
  };
