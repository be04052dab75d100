import { expect, test } from 'vitest';
import {
  formatCount,
  formatDuration,
  formatElapsed,
  formatInstant,
  formatPlural,
} from '../../../../activities/shared/summary/format-time.ts';

test('formatDuration shows the two largest units', () => {
  expect([0, 9.34, 59.4, 245, 7_500, 298_800, -1].map(formatDuration)).toEqual([
    '0.0 s',
    '9.3 s',
    '59 s',
    '4 min 05 s',
    '2 h 05 min',
    '3 d 11 h',
    '0.0 s',
  ]);
});

test('rounding up carries into the next unit', () => {
  expect([formatDuration(59.7), formatDuration(3599.6), formatElapsed(59.7)]).toEqual([
    '1 min 00 s',
    '1 h 00 min',
    '0:01:00',
  ]);
});

test('formatElapsed shows days only after the first one', () => {
  expect([0, 61, 86_399, 101_553].map(formatElapsed)).toEqual(['0:00:00', '0:01:01', '23:59:59', '1 d 04:12:33']);
});

test('counts have thousands separators, and times are UTC', () => {
  expect([formatCount(263_844), formatCount(null)]).toEqual(['263,844', '–']);
  expect([formatPlural(1, 'epoch'), formatPlural(5000, 'image')]).toEqual(['1 epoch', '5,000 images']);
  expect(formatInstant(Date.UTC(2026, 7, 14, 9, 31, 59) / 1000)).toBe('2026-08-14 09:31 UTC');
});
