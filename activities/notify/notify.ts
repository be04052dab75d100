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

/** What sending notifications needs from the worker. */
export interface NotifyDependencies {
  /** Where notifications go, by the names that an input may use. */
  notificationTargets: ReadonlyMap<string, NotificationTarget>;
}

type Send = (place: NotificationTarget, notification: Notification, answerWithinMs: number) => Promise<void>;
const senders: Record<NotifyTarget['to'], Send> = { webhook: sendWebhook, slack: sendSlack, smtp: sendMail };

/**
 * Sends one notification to one place, at least once: Temporal tries again, and the id says that it is the same.
 * @param answerWithinMs how long a server may be silent.
 */
export const createNotify =
  ({ notificationTargets: notifyPlaces }: NotifyDependencies, answerWithinMs = 10_000) =>
  async ({ target: { to, ref }, notification }: NotifyRequest): Promise<void> => {
    const place = notifyPlaces.get(ref);
    if (place === undefined)
      throw new CodedError('NotifyRefused', `EVERSWIN_NOTIFY_${ref}_URL is not set for this worker.`);
    await senders[to](place, notification, answerWithinMs);
  };
