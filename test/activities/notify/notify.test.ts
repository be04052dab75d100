/** Uses real servers on loopback. Also checks that no message contains an address or credentials. */
import { createHmac } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { createNotify, type NotifyRequest } from '../../../activities/notify/notify.ts';
import { withCodedFailures } from '../../../activities/shared/temporal/failure.ts';
import type { NotificationTarget } from '../../../activities/notify/notification-target.ts';
import { checkNotify } from '../../../activities/preflight/check-notify.ts';
import { Notification, type NotifyTarget } from '../../../configs/schema/index.ts';
import { startHookReceiver, type Hook } from '../../fixtures/hook-receiver.ts';
import { certificate, startMailServer } from '../../fixtures/mail-server/mail-server.ts';
import { createMiniRun } from '../../helpers/mini-run.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';

const notification: Notification = {
  v: 1,
  id: 'train:swin/0198/3',
  event: 'stalled',
  at: 1_795_700_000,
  name: 'swin',
  workflowId: 'train:swin',
  text: 'Attempt 2 crashed: <b>Ünïcode</b> & more\n.\nNext: again',
};
const secret = 'whsec-0123456789';
const nowhere: NotificationTarget = { url: '', secret: undefined, to: [], from: undefined, ca: undefined };

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

const run = await createMiniRun();
await run.remove();

interface SendOptions {
  sent?: Notification;
  timeoutMs?: number;
}

const send = (
  to: NotifyRequest['target']['to'],
  settings: Partial<NotificationTarget>,
  { sent = notification, timeoutMs }: SendOptions = {},
): Promise<void> => {
  const notificationTargets = new Map([['OPS', { ...nowhere, ...settings }]]);
  const notify = createNotify({ ...run.dependencies, notificationTargets }, timeoutMs);
  const request = { target: { to, ref: 'OPS' }, notification: sent };
  return mockEnvironment().run(withCodedFailures({ notify }).notify, request);
};

async function receiver(answer: (hook: Hook) => [number, Record<string, string>?] | undefined) {
  const started = await startHookReceiver(answer);
  closing.push(started.close);
  return started;
}
async function mailServer(...args: Parameters<typeof startMailServer>) {
  const started = await startMailServer(...args);
  closing.push(started.close);
  return started;
}

test('sendWebhook posts signed JSON with the id of the notification', async () => {
  const { hooks, url } = await receiver(() => [204]);
  await send('webhook', { url: `${url}/hook`, secret });
  const [hook] = hooks;
  expect(Notification.parse(JSON.parse(hook?.body ?? ''))).toEqual(notification);
  expect(hook?.headers['everswin-id']).toBe(notification.id);
  const [, time = '', signature] =
    /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(hook?.headers['everswin-signature'])) ?? [];
  expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(60);
  expect(signature).toBe(
    createHmac('sha256', secret)
      .update(`${time}.${hook?.body ?? ''}`)
      .digest('hex'),
  );
});

test('sendSlack escapes links and mentions', async () => {
  const { hooks, url } = await receiver(() => [200]);
  await send('slack', { url: `${url}/services/T0/B0/token` });
  expect(JSON.parse(hooks[0]?.body ?? '')).toEqual({
    text: '*swin*: stalled\nAttempt 2 crashed: &lt;b&gt;Ünïcode&lt;/b&gt; &amp; more\n.\nNext: again',
  });
});

test.each([
  [503, 'NotifyFailed', false],
  [429, 'NotifyFailed', false],
  [404, 'NotifyRefused', true],
  [302, 'NotifyRefused', true],
])('a response with status %i becomes %s', async (status, type, nonRetryable) => {
  const other = await receiver(() => [200]);
  const { hooks, url } = await receiver(() => [status, { location: other.url }]);
  const error: unknown = await send('webhook', { url: `${url}/s3cret-path`, secret }).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ type, nonRetryable });
  expect(String(error)).not.toMatch(/s3cret-path|whsec|127\.0\.0\.1/);
  expect([hooks.length, other.hooks.length]).toEqual([1, 0]);
});

test('notify reports a dead server, a missing secret and an unknown target without the URL', async () => {
  const { url, close } = await startHookReceiver(() => [200]);
  await close();
  const dead = await send('webhook', { url: `${url}/s3cret-path`, secret }).catch((reason: unknown) => reason);
  expect(dead).toMatchObject({ type: 'NotifyFailed', message: expect.stringContaining('ECONNREFUSED') as string });
  expect(JSON.stringify(dead)).not.toMatch(/s3cret-path|127\.0\.0\.1/);
  await expect(send('webhook', { url })).rejects.toMatchObject({ type: 'NotifyRefused' });
  await expect(send('webhook', { url: 'smtp://127.0.0.1', secret })).rejects.toMatchObject({ type: 'NotifyRefused' });
  const { notify } = withCodedFailures({ notify: createNotify(run.dependencies) });
  const unknown = mockEnvironment().run(notify, { target: { to: 'slack' as const, ref: 'UNKNOWN' }, notification });
  await expect(unknown).rejects.toMatchObject({
    message: expect.stringContaining('EVERSWIN_NOTIFY_UNKNOWN_URL') as string,
  });
});

test('notify times out when a server does not respond', async () => {
  const { url } = await receiver(() => undefined);
  const silent = await mailServer([], (line) => (line.startsWith('EHLO') ? '' : undefined));
  const mute = await mailServer([], (line) => (line === 'DATA' ? '' : undefined));
  const mail = { to: ['a@example.org'], from: 'e@example.org' };
  const before = performance.now();
  const all = await Promise.allSettled([
    send('webhook', { url, secret }, { timeoutMs: 300 }),
    send('smtp', { url: `smtp://127.0.0.1:${silent.port}`, ...mail }, { timeoutMs: 300 }),
    send('smtp', { url: `smtp://127.0.0.1:${mute.port}`, ...mail }, { timeoutMs: 300 }),
  ]);
  const reason = { type: 'NotifyFailed', message: expect.stringMatching(/TimeoutError|ETIMEDOUT/) as string };
  expect(all).toMatchObject([{ reason }, { reason }, { reason }]);
  expect(performance.now() - before).toBeLessThan(5_000);
});

const people = { to: ['a@example.org', 'b@example.org'], from: 'everswin@example.org' };
const login = { name: 'ops', password: 'p%40ss:w0rd' };
const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8');

test('sendMail uses STARTTLS if offered and keeps the Message-ID when it sends again', async () => {
  const server = await mailServer(['STARTTLS', 'AUTH PLAIN LOGIN', 'SIZE 1000']);
  const settings = {
    url: `smtp://${login.name}:${login.password}@127.0.0.1:${server.port}`,
    ...people,
    ca: certificate,
  };
  await send('smtp', settings);
  await send('smtp', settings);
  const [mail, again] = server.mails;
  expect(mail?.from).toBe('MAIL FROM:<everswin@example.org>');
  expect(mail?.to).toEqual(['RCPT TO:<a@example.org>', 'RCPT TO:<b@example.org>']);
  const [head = '', body = ''] = (mail?.text ?? '').split('\r\n\r\n');
  expect(decode(body)).toBe(`${notification.text}\n\ntrain:swin\n${notification.id}\n`);
  expect(head).toContain('Subject: everswin: swin stalled\r\n');
  expect(head).toContain('Date: Thu, 26 Nov 2026 ');
  const idOf = (text = ''): string | undefined =>
    /^Message-ID: (<[0-9a-f]{32}@example\.org>)$/m.exec(text.replaceAll('\r', ''))?.[1];
  expect(idOf(mail?.text)).toBeDefined();
  expect(idOf(again?.text)).toBe(idOf(mail?.text));
  const secure = server.received.filter(({ isSecure }) => isSecure).map(({ line }) => line);
  expect(secure).toContain(`AUTH PLAIN ${Buffer.from('\0ops\0p@ss:w0rd').toString('base64')}`);
  expect(server.received.filter(({ isSecure }) => !isSecure).map(({ line }) => line.split(' ')[0])).toEqual([
    'EHLO',
    'STARTTLS',
    'EHLO',
    'STARTTLS',
  ]);
});

test('sendMail uses implicit TLS for smtps', async () => {
  const server = await mailServer(
    ['AUTH LOGIN'],
    (line) => ({ 'AUTH LOGIN': '334 VXNlcm5hbWU6', b3Bz: '334 UGFzc3dvcmQ6', cEBzczp3MHJk: '235 in' })[line],
    { isTls: true },
  );
  await send('smtp', {
    url: `smtps://${login.name}:${login.password}@127.0.0.1:${server.port}`,
    ...people,
    ca: certificate,
  });
  expect(server.mails).toHaveLength(1);
});

test('sendMail sends nothing to a server with an untrusted certificate', async () => {
  const server = await mailServer(['STARTTLS', 'AUTH PLAIN']);
  const url = `smtp://${login.name}:${login.password}@127.0.0.1:${server.port}`;
  const error: unknown = await send('smtp', { url, ...people }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ type: 'NotifyFailed' });
  expect(server.received.map(({ line }) => line)).toEqual(['EHLO everswin', 'STARTTLS']);
});

test('sendMail never sends a password unencrypted to another machine', async () => {
  const server = await mailServer(['AUTH PLAIN'], undefined, { host: '127.0.0.2' });
  const url = `smtp://${login.name}:${login.password}@127.0.0.2:${server.port}`;
  await expect(send('smtp', { url, ...people })).rejects.toMatchObject({
    type: 'NotifyRefused',
    message: expect.stringContaining('does not fall back to an unencrypted connection') as string,
  });
  expect(server.received.map(({ line }) => line)).toEqual(['EHLO everswin', 'STARTTLS']);
  expect(server.mails).toEqual([]);
});

test('sendMail does not send without authentication when the server rejects AUTH', async () => {
  const server = await mailServer([], (line) => (line.startsWith('AUTH') ? '502 not here' : undefined));
  const url = `smtp://${login.name}:${login.password}@localhost:${server.port}`;
  await expect(send('smtp', { url, ...people })).rejects.toMatchObject({ type: 'NotifyRefused' });
  expect(server.mails).toEqual([]);
});

test('sendMail prevents header and command injection by line breaks', async () => {
  const server = await mailServer(['PIPELINING']);
  const hostile = 'swin\r\nBcc: c@example.org\r\n\r\n.\r\nRCPT TO:<c@example.org>\r\n';
  const settings = { url: `smtp://127.0.0.1:${server.port}`, ...people };
  await send('smtp', settings, { sent: { ...notification, name: hostile, text: hostile } });
  const [mail] = server.mails;
  const [head = ''] = (mail?.text ?? '').split('\r\n\r\n');
  expect(head).not.toMatch(/^(bcc|rcpt|\.)/im);
  expect(mail?.to).toEqual(['RCPT TO:<a@example.org>', 'RCPT TO:<b@example.org>']);
  expect(server.received.filter(({ line }) => line.includes('c@example.org'))).toEqual([]);
});

test.each([
  [{ b: '550 unknown' }, 'NotifyRefused', /responded with 550 to RCPT/],
  [{ b: '450 later' }, 'NotifyFailed', /responded with 450 to RCPT/],
  [{ a: '550 unknown', b: '450 later' }, 'NotifyFailed', /responded with 450 to RCPT/],
])('sendMail reports rejected recipients %j as %s and delivers to the others', async (answers, type, message) => {
  const answerOf = new Map(Object.entries(answers).map(([who, answer]) => [`RCPT TO:<${who}@example.org>`, answer]));
  const server = await mailServer([], (line) => answerOf.get(line));
  const addresses = { ...people, to: ['a@example.org', 'b@example.org', 'c@example.org'] };
  await expect(send('smtp', { url: `smtp://127.0.0.1:${server.port}`, ...addresses })).rejects.toMatchObject({
    type,
    message: expect.stringMatching(message) as string,
  });
  const others = addresses.to.map((address) => `RCPT TO:<${address}>`).filter((line) => !answerOf.has(line));
  expect(server.mails.map(({ to }) => to)).toEqual([others]);
});

test.each([
  ['MAIL FROM:<everswin@example.org>', '451 busy', 'NotifyFailed', /responded with 451 to MAIL/],
  ['AUTH PLAIN AG9wcwBwQHNzOncwcmQ=', '535 no p@ss:w0rd', 'NotifyRefused', /responded with 535 to AUTH/],
])(
  'the response to %s decides about a retry, and no error contains the password',
  async (command, answer, type, message) => {
    const server = await mailServer(['AUTH PLAIN'], (line) => (line === command ? answer : undefined));
    const url = `smtp://${login.name}:${login.password}@127.0.0.1:${server.port}`;
    const error: unknown = await send('smtp', { url, ...people }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ type, message: expect.stringMatching(message) as string });
    expect(JSON.stringify(error) + String(error)).not.toMatch(/p@ss|p%40ss|cEBzcz|wcwBwQ/);
    expect(server.mails).toEqual([]);
  },
);

test('checkNotify warns about targets that are not configured', () => {
  const targets: NotifyTarget[] = [
    { to: 'webhook', ref: 'OPS' },
    { to: 'smtp', ref: 'NIGHT' },
    { to: 'slack', ref: 'NIGHT' },
  ];
  expect(checkNotify(targets, new Map([['OPS', nowhere]]))).toEqual([
    {
      name: 'notifications',
      verdict: 'warning',
      message: 'notification target NIGHT is not configured; nothing will be sent to it',
      remedy: 'Set EVERSWIN_NOTIFY_NIGHT_URL for the control worker and restart it.',
    },
  ]);
});
