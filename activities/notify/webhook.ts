import { createHmac } from 'node:crypto';
import type { Notification } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import type { NotificationTarget } from './notification-target.ts';
import { post } from './post.ts';

/** The notification as JSON. Who knows the secret can tell that it is ours and new, and drop repeats by `everswin-id`. */
export async function sendWebhook(
  { url, secret }: NotificationTarget,
  notification: Notification,
  answerWithinMs: number,
): Promise<void> {
  if (secret === undefined) throw new CodedError('NotifyRefused', 'A webhook needs a _SECRET to be signed with.');
  const body = JSON.stringify(notification);
  const timestamp = Math.floor(Date.now() / 1000);
  const headers = {
    'content-type': 'application/json',
    'everswin-id': notification.id,
    'everswin-signature': `t=${timestamp},v1=${sign(secret, timestamp, body)}`,
  };
  await post(url, body, headers, answerWithinMs);
}

/** HMAC-SHA256 over `timestamp.body`, as hex. */
export const sign = (secret: string, timestamp: number, body: string): string =>
  createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
