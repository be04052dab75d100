import type { Notification } from '../../configs/schema/index.ts';
import type { NotificationTarget } from './notification-target.ts';
import { post } from './post.ts';

/** Sends a notification to an incoming webhook of Slack, or a compatible one. */
export async function sendSlack(
  { url }: NotificationTarget,
  { id, event, name, text }: Notification,
  timeoutMs: number,
): Promise<void> {
  const body = JSON.stringify({ text: `*${escape(name)}*: ${event}\n${escape(text)}` });
  await post(url, body, { 'content-type': 'application/json', 'everswin-id': id }, timeoutMs);
}

/** Escapes the characters that start links and mentions in Slack. */
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
