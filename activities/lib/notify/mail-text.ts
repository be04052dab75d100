import { createHash } from 'node:crypto';
import type { Notification } from '../../../configs/schema.ts';

export interface Envelope {
  from: string;
  to: readonly string[];
}

/**
 * A mail of plain text (RFC 5322). Everything that is not ours is base64, so no text can end a header, the body or a line.
 * The same notification has the same Message-ID, by which mail programs drop repeats.
 */
export function writeMail({ id, event, at, name, workflowId, text }: Notification, { from, to }: Envelope): string {
  const domain = from.slice(from.indexOf('@') + 1);
  return [
    `From: ${from}`,
    `To: ${to.join(', ')}`,
    `Subject: ${encodeHeader(`everswin: ${name} ${event}`)}`,
    `Date: ${new Date(at * 1000).toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${createHash('sha256').update(id).digest('hex').slice(0, 32)}@${domain}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    ...foldBase64(`${text}\n\n${workflowId}\n${id}\n`),
  ].join('\r\n');
}

/** Encoded words (RFC 2047) of at most 75 signs; characters are never cut in two. */
function encodeHeader(text: string): string {
  const words: string[] = [''];
  for (const character of text) {
    const word = `${words.at(-1) ?? ''}${character}`;
    if (Buffer.byteLength(word) <= 42) words[words.length - 1] = word;
    else words.push(character);
  }
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join('\r\n ');
}

const foldBase64 = (text: string): string[] =>
  Buffer.from(text)
    .toString('base64')
    .match(/.{1,76}/g) ?? [];
