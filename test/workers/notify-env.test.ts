import { afterEach, expect, test, vi } from 'vitest';
import { certificate } from '../fixtures/mail-server/mail-server.ts';
import { projectRoot } from '../helpers/project.ts';
import { readNotificationTargets, trainerEnv } from '../../workers/env.ts';

const set = (name: string, value: string) => vi.stubEnv(`EVERSWIN_NOTIFY_${name}`, value);
afterEach(() => vi.unstubAllEnvs());

test('readNotificationTargets reads targets by name, and trainerEnv contains none of them', () => {
  set('OPS_URL', 'https://example.org/hook');
  set('OPS_SECRET', 'whsec-0123456789');
  set('NIGHT_SHIFT_URL', 'smtp://u:p@mail.example.org');
  set('NIGHT_SHIFT_TO', 'a@example.org, b@example.org');
  set('NIGHT_SHIFT_FROM', 'e@example.org');
  set('NIGHT_SHIFT_CA', `${projectRoot}/test/fixtures/mail-server/certificate.pem`);
  const none = { secret: undefined, to: [], from: undefined, ca: undefined };
  expect(Object.fromEntries(readNotificationTargets())).toEqual({
    OPS: { ...none, url: 'https://example.org/hook', secret: 'whsec-0123456789' },
    NIGHT_SHIFT: {
      ...none,
      url: 'smtp://u:p@mail.example.org',
      to: ['a@example.org', 'b@example.org'],
      from: 'e@example.org',
      ca: certificate,
    },
  });
  expect(Object.keys(trainerEnv()).filter((name) => name.includes('NOTIFY'))).toEqual([]);
});

test.each([
  ['OPS_URL', 'ftp://s3cret.example.org'],
  ['OPS_URL', 's3cret'],
  ['OPS_SECRET', 's3cret'],
  ['OPS_TO', 'a@example.org>\r\nRCPT TO:<s3cret'],
])('readNotificationTargets names an invalid EVERSWIN_NOTIFY_%s but never its value', (name, value) => {
  set('OPS_URL', 'https://example.org/hook');
  set(name, value);
  expect(readNotificationTargets).toThrow(/^EVERSWIN_NOTIFY_OPS_…: (URL|SECRET|TO)/);
  expect(readNotificationTargets).not.toThrow(/s3cret/);
});
