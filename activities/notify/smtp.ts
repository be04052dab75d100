import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { createTransport, type SendMailOptions, type SMTPTransportOptions } from 'nodemailer';
import type { Notification } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { toMailError } from './mail-error.ts';
import type { NotificationTarget } from './notification-target.ts';

const maxResponseBytes = 64 * 1024;
const loopbackHosts = new Set(['localhost', '127.0.0.1', '::1']);

/**
 * Sends mail through `smtps://user:password@host` (implicit TLS) or `smtp://…` (STARTTLS if the server offers it). Passwords
 * are sent over TLS only, except to this machine.
 * @throws CodedError NotifyFailed or NotifyRefused.
 */
export async function sendMail(
  { url, to, from, ca }: NotificationTarget,
  notification: Notification,
  timeoutMs: number,
): Promise<void> {
  if (from === undefined || to.length === 0)
    throw new CodedError('NotifyRefused', 'Mail requires EVERSWIN_NOTIFY_<name>_TO and _FROM.');
  const transport = createTransport({ ...parseServer(url, ca), ...timeouts(timeoutMs), logger: false });
  try {
    const { rejectedErrors = [] } = await transport.sendMail(createMail(notification, from, to));
    // Other recipients have the mail. A temporary rejection is retried for all; the Message-ID identifies duplicates.
    const [rejected] = rejectedErrors.toSorted((a, b) => (a.responseCode ?? 0) - (b.responseCode ?? 0));
    if (rejected) throw rejected;
  } catch (error) {
    throw toMailError(error);
  } finally {
    transport.close();
  }
}

function parseServer(url: string, ca: string | undefined): SMTPTransportOptions {
  const { protocol, hostname, port, username, password } = new URL(url);
  if (protocol !== 'smtp:' && protocol !== 'smtps:')
    throw new CodedError('NotifyRefused', `Expected an smtp: or smtps: URL, got ${protocol}`);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const logsIn = username !== '';
  return {
    // Skips DNS for localhost, because a wrong answer would receive the password.
    host: host === 'localhost' ? '127.0.0.1' : host,
    servername: isIP(host) === 0 ? host : undefined,
    port,
    name: 'everswin',
    secure: protocol === 'smtps:',
    requireTLS: logsIn && !loopbackHosts.has(host),
    tls: { ca },
    ...(logsIn && {
      auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
      // Otherwise nodemailer sends without authentication when the server does not offer it.
      forceAuth: true,
    }),
  };
}

const timeouts = (timeoutMs: number): SMTPTransportOptions => ({
  dnsTimeout: timeoutMs,
  connectionTimeout: timeoutMs,
  greetingTimeout: timeoutMs,
  socketTimeout: timeoutMs,
  maxResponseSize: maxResponseBytes,
});

/** Creates a plain-text mail. A notification keeps its Message-ID, so that mail programs drop duplicates. */
function createMail(
  { id, event, at, name, workflowId, text }: Notification,
  from: string,
  to: readonly string[],
): SendMailOptions {
  const domain = from.slice(from.indexOf('@') + 1);
  return {
    from: toAddress(from),
    to: to.map(toAddress),
    subject: `everswin: ${name} ${event}`,
    date: new Date(at * 1000),
    messageId: `<${createHash('sha256').update(id).digest('hex').slice(0, 32)}@${domain}>`,
    headers: { 'Auto-Submitted': 'auto-generated' },
    text: `${text}\n\n${workflowId}\n${id}\n`,
    textEncoding: 'base64',
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** Returns an address object, because nodemailer would parse a string as a list with comments. */
const toAddress = (address: string) => ({ name: '', address });
