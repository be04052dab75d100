import { createHmac } from 'node:crypto';
import type { Notification } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import type { NotificationTarget } from './notification-target.ts';
import { post } from './post.ts';

/** Sends the notification as signed JSON. The receiver verifies signature and timestamp, and drops duplicates by `everswin-id`. */
export async function sendWebhook(
  { url, secret }: NotificationTarget,
  notification: Notification,
  timeoutMs: number,
): Promise<void> {
  if (secret === undefined)
    throw new CodedError('NotifyRefused', 'A webhook requires EVERSWIN_NOTIFY_<name>_SECRET for its signature.');
  const body = JSON.stringify(notification);
  const timestamp = Math.floor(Date.now() / 1000);
  const headers = {
    'content-type': 'application/json',
    'everswin-id': notification.id,
    'everswin-signature': `t=${timestamp},v1=${sign(secret, timestamp, body)}`,
  };
  await post(url, body, headers, timeoutMs);
}

/** Returns the hex HMAC-SHA256 of `timestamp.body`. */
export const sign = (secret: string, timestamp: number, body: string): string =>
  createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
