import type { Notification } from '../../../configs/schema.ts';
import { CodedError } from '../failures/coded-error.ts';
import { writeMail } from './mail-text.ts';
import type { NotifyPlace } from './notify-place.ts';
import { SmtpSession } from './smtp-session.ts';

const ports = { 'smtp:': 587, 'smtps:': 465 } as const;
const thisMachine = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * A mail through `smtps://user:password@host` (TLS from the start) or `smtp://…` (TLS where the server offers it).
 * A password never travels in clear, but for this machine.
 * @throws CodedError NotifyFailed or NotifyRefused.
 */
export async function sendMail({ url, to, from, ca }: NotifyPlace, notification: Notification): Promise<void> {
  const address = new URL(url);
  const { protocol, hostname: host, port } = address;
  if (protocol !== 'smtp:' && protocol !== 'smtps:')
    throw new CodedError('NotifyRefused', `Expected an address of smtp: or smtps:, got one of ${protocol}`);
  if (from === undefined || to.length === 0) throw new CodedError('NotifyRefused', 'A mail needs _TO and _FROM.');
  const isTls = protocol === 'smtps:';
  const session = await SmtpSession.open({ host, port: Number(port) || ports[protocol], isTls, ca });
  try {
    const offers = await secure(session);
    await logIn(session, address, offers);
    await session.command(`MAIL FROM:<${from}>`, 250);
    for (const one of to) await session.command(`RCPT TO:<${one}>`, 250);
    await session.command('DATA', 354);
    await session.command(`${writeMail(notification, { from, to })}\r\n.`, 250, 'the mail');
    await session.command('QUIT', 221).catch(() => undefined); // it has the mail
  } finally {
    session.close();
  }
}

type Offers = Awaited<ReturnType<SmtpSession['hello']>>;

async function secure(session: SmtpSession): Promise<Offers> {
  const offers = await session.hello();
  if (session.isSecure || !offers.has('STARTTLS')) return offers;
  await session.startTls();
  return session.hello();
}

async function logIn(session: SmtpSession, address: URL, offers: Offers): Promise<void> {
  if (address.username === '') return;
  if (!session.isSecure && !thisMachine.has(address.hostname))
    throw new CodedError('NotifyRefused', 'The mail server offers no TLS, and a password does not travel in clear.');
  const [user, password] = [address.username, address.password].map(decodeURIComponent);
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  const ways = offers.get('AUTH') ?? [];
  if (ways.includes('PLAIN')) {
    await session.command(`AUTH PLAIN ${encode(`\0${user ?? ''}\0${password ?? ''}`)}`, 235, 'AUTH');
  } else if (ways.includes('LOGIN')) {
    await session.command('AUTH LOGIN', 334);
    await session.command(encode(user ?? ''), 334, 'the user name');
    await session.command(encode(password ?? ''), 235, 'the password');
  } else {
    throw new CodedError('NotifyRefused', 'The mail server offers neither AUTH PLAIN nor AUTH LOGIN.');
  }
}
