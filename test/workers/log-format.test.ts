import { expect, test } from 'vitest';
import { formatLogEntry } from '../../workers/log-format.ts';

const entry = { time: '2026-11-01T00:00:00.000Z', level: 'INFO', message: 'two\nlines' };

test('formatLogEntry writes one line with all fields of an entry', () => {
  const error = new TypeError('bad', { cause: new Error('why') });
  const line = formatLogEntry(Object.assign({ error, nanoseconds: 7n, nothing: undefined }, entry));
  expect(line).not.toContain('\n');
  expect(JSON.parse(line)).toMatchObject({
    ...entry,
    nanoseconds: '7',
    error: { message: 'bad', stack: expect.stringContaining('TypeError: bad') as string, cause: { message: 'why' } },
  });
});

test('formatLogEntry writes one line for an object that contains itself', () => {
  const loop: Record<string, unknown> = {};
  loop['self'] = loop;
  const line = formatLogEntry(Object.assign({ loop }, entry));
  expect(JSON.parse(line)).toMatchObject({ ...entry, fields: expect.stringContaining('Circular') as string });
});
