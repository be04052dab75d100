import type { Notification } from '../../configs/schema/index.ts';
import type { NotificationTarget } from './notification-target.ts';
import { post } from './post.ts';

/** As Slack's incoming webhooks take it, and whatever is compatible with them. */
export async function sendSlack(
  { url }: NotificationTarget,
  { id, event, name, text }: Notification,
  answerWithinMs: number,
): Promise<void> {
  const body = JSON.stringify({ text: `*${escape(name)}*: ${event}\n${escape(text)}` });
  await post(url, body, { 'content-type': 'application/json', 'everswin-id': id }, answerWithinMs);
}

/** Three signs begin links and mentions there. */
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
