import { describe, expect, test } from 'vitest';
import {
  linearAxis,
  logAxis,
  maximum,
  minimum,
  spansDecades,
  tightAxis,
} from '../../../../activities/report/components/axis.ts';
import { formatNumber } from '../../../../activities/report/components/format-number.ts';

const options = { tickCount: 4, leastStep: 0 };

describe('linearAxis', () => {
  test('starts and ends at a tick', () => {
    const axis = linearAxis([0, 3.4], options);
    expect(axis.ticks).toEqual([0, 1, 2, 3, 4]);
    expect([axis.place(0), axis.place(2), axis.place(4)]).toEqual([0, 0.5, 1]);
  });

  test('has ticks without floating-point noise', () => {
    expect(linearAxis([0.1, 0.35], options).ticks).toEqual([0.1, 0.2, 0.3, 0.4]);
  });

  test('pads a single value, zero, and no values', () => {
    for (const values of [[5], [0], [], [-3, -3]]) {
      const axis = linearAxis(values, options);
      expect(axis.ticks.length).toBeGreaterThan(1);
      expect(values.every((value) => axis.place(value) > 0 && axis.place(value) < 1)).toBe(true);
    }
  });

  test('keeps integer steps when asked to', () => {
    expect(linearAxis([0, 2], { tickCount: 6, leastStep: 1 }).ticks).toEqual([0, 1, 2]);
  });
});

test('tightAxis ends at the values and keeps the ticks between them', () => {
  const axis = tightAxis([0, 36], { tickCount: 6, leastStep: 1 });
  expect([axis.place(0), axis.place(36)]).toEqual([0, 1]);
  expect(axis.ticks).toEqual([0, 10, 20, 30]);
});

describe('logAxis', () => {
  test('shows powers of ten over many decades', () => {
    expect(logAxis([1e-7, 1e-4]).ticks).toEqual([1e-7, 1e-6, 1e-5, 1e-4]);
  });

  test('adds ticks at 2 and 5 over few decades', () => {
    const axis = logAxis([0.3, 6]);
    expect(axis.ticks).toEqual([0.2, 0.5, 1, 2, 5, 10]);
    expect([axis.place(0.2), axis.place(10)]).toEqual([0, 1]);
  });

  test('pads a single value and no values', () => {
    expect(logAxis([1e-4]).place(1e-4)).toBe(0);
    expect(logAxis([]).ticks.length).toBeGreaterThan(1);
  });
});

test('spansDecades is true beyond a factor of twenty between positive values', () => {
  expect([[1e-7, 1e-4], [0.6, 4.4], [0, 100], []].map(spansDecades)).toEqual([true, false, false, false]);
});

test('minimum and maximum accept very long lists', () => {
  const many = Array.from({ length: 300_000 }, (_, index) => index);
  expect([minimum(many), maximum(many)]).toEqual([0, 299_999]);
});

test('formatNumber is short and exact', () => {
  expect([0, 2500, 0.05, 1e-5, 2.5e-7, 0.30000000000000004, 1e12].map(formatNumber)).toEqual([
    '0',
    '2,500',
    '0.05',
    '1e-5',
    '2.5e-7',
    '0.3',
    '1e12',
  ]);
});
