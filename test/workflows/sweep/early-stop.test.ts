import { expect, test } from 'vitest';
import type { VariantStatus } from '../../../configs/schema/index.ts';
import { findLaggards } from '../../../workflows/sweep/early-stop.ts';

const rule = { afterEpoch: 2, pointsBehind: 5 };

/** @param scores box AP of epochs 1, 2, 3, … */
const variant = (name: string, scores: (number | null)[], change: Partial<VariantStatus> = {}): VariantStatus => ({
  variant: name,
  runId: `sweep-${name}`,
  state: 'running',
  joined: false,
  stoppedEarly: null,
  result: null,
  failure: null,
  scores: scores.map((bboxAP, place) => ({ epoch: place + 1, bboxAP })),
  ...change,
});

const names = (...variants: VariantStatus[]): string[] => findLaggards(rule, variants).map((one) => one.variant);

test('who lies further behind the best of the same epoch than the rule allows is found, with the numbers', () => {
  expect(findLaggards(rule, [variant('a', [0.1, 0.3]), variant('b', [0.1, 0.24]), variant('c', [0.1, 0.26])])).toEqual([
    {
      variant: 'b',
      runId: 'sweep-b',
      why: 'its box AP at epoch 2, 24.0, lies 6.0 points below that of a, 30.0; the rule allows 5 from epoch 2 on',
    },
  ]);
});

test('before the epoch of the rule nobody is stopped, however far behind', () => {
  expect(names(variant('a', [0.5]), variant('b', [0.0]))).toEqual([]);
});

test('each is judged by its newest epoch that another one has validated: one that is merely ahead in time is no better', () => {
  expect(names(variant('a', [0.1, 0.2, 0.4, 0.6]), variant('b', [0.1, 0.19]))).toEqual([]);
  expect(names(variant('a', [0.1, 0.2, 0.4]), variant('b', [0.1, 0.1, 0.38]))).toEqual([]);
  expect(names(variant('a', [0.1, 0.3]), variant('b', [0.1, 0.1, 0.2]))).toEqual(['b']);
});

test('those that ended count as best ones and are not stopped themselves', () => {
  expect(names(variant('a', [0.1, 0.3], { state: 'done' }), variant('b', [0.1, 0.1]))).toEqual(['b']);
  expect(names(variant('a', [0.1, 0.3]), variant('b', [0.1, 0.1], { state: 'failed' }))).toEqual([]);
  expect(names(variant('a', [0.1, 0.3]), variant('b', [0.1, 0.1], { stoppedEarly: 'after epoch 2' }))).toEqual([]);
});

test('a validation without ground truth judges nobody', () => {
  expect(names(variant('a', [null, null]), variant('b', [0.1, 0.1]))).toEqual([]);
  expect(names(variant('a', [0.1, 0.3]), variant('b', [0.1, null]))).toEqual([]);
});
