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
 * A mail through `smtps://user:password@host` (TLS from the start) or `smtp://…` (TLS where the server offers it).
 * A password never travels in clear, but for this machine.
 * @throws CodedError NotifyFailed or NotifyRefused.
 */
export async function sendMail(
  { url, to, from, ca }: NotificationTarget,
  notification: Notification,
  answerWithinMs: number,
): Promise<void> {
  if (from === undefined || to.length === 0) throw new CodedError('NotifyRefused', 'A mail needs _TO and _FROM.');
  const transport = createTransport({ ...parseServer(url, ca), ...timeouts(answerWithinMs), logger: false });
  try {
    const { rejectedErrors = [] } = await transport.sendMail(createMail(notification, from, to));
    // The others have it. Who may take it later is worth a repeat to all of them, which its Message-ID tells.
    const [refused] = rejectedErrors.toSorted((a, b) => (a.responseCode ?? 0) - (b.responseCode ?? 0));
    if (refused) throw refused;
  } catch (error) {
    throw toMailError(error);
  } finally {
    transport.close();
  }
}

function parseServer(url: string, ca: string | undefined): SMTPTransportOptions {
  const { protocol, hostname, port, username, password } = new URL(url);
  if (protocol !== 'smtp:' && protocol !== 'smtps:')
    throw new CodedError('NotifyRefused', `Expected an address of smtp: or smtps:, got one of ${protocol}`);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const logsIn = username !== '';
  return {
    // No name server is asked who this machine is: its answer would get the password.
    host: host === 'localhost' ? '127.0.0.1' : host,
    servername: isIP(host) === 0 ? host : undefined,
    port,
    name: 'everswin',
    secure: protocol === 'smtps:',
    requireTLS: logsIn && !loopbackHosts.has(host),
    tls: { ca },
    ...(logsIn && {
      auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
      // Without, a server that does not offer it would get the mail of nobody.
      forceAuth: true,
    }),
  };
}

const timeouts = (answerWithinMs: number): SMTPTransportOptions => ({
  dnsTimeout: answerWithinMs,
  connectionTimeout: answerWithinMs,
  greetingTimeout: answerWithinMs,
  socketTimeout: answerWithinMs,
  maxResponseSize: maxResponseBytes,
});

/** Of plain text. The same notification has the same Message-ID, by which mail programs drop repeats. */
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

/** An object is taken as it is; a text would be parsed, as a list and with comments. */
const toAddress = (address: string) => ({ name: '', address });
