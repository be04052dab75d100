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

test('findLaggards returns variants too far behind the best of the same epoch, with scores', () => {
  expect(findLaggards(rule, [variant('a', [0.1, 0.3]), variant('b', [0.1, 0.24]), variant('c', [0.1, 0.26])])).toEqual([
    {
      variant: 'b',
      runId: 'sweep-b',
      why: 'box AP 24.0 at epoch 2 is 6.0 points below a (30.0); the rule allows 5 from epoch 2',
    },
  ]);
});

test('findLaggards returns nothing before the epoch of the rule', () => {
  expect(names(variant('a', [0.5]), variant('b', [0.0]))).toEqual([]);
});

test('findLaggards compares each variant at its newest epoch that another one validated', () => {
  expect(names(variant('a', [0.1, 0.2, 0.4, 0.6]), variant('b', [0.1, 0.19]))).toEqual([]);
  expect(names(variant('a', [0.1, 0.2, 0.4]), variant('b', [0.1, 0.1, 0.38]))).toEqual([]);
  expect(names(variant('a', [0.1, 0.3]), variant('b', [0.1, 0.1, 0.2]))).toEqual(['b']);
});

test('findLaggards compares with ended variants but does not return them', () => {
  expect(names(variant('a', [0.1, 0.3], { state: 'done' }), variant('b', [0.1, 0.1]))).toEqual(['b']);
  expect(names(variant('a', [0.1, 0.3]), variant('b', [0.1, 0.1], { state: 'failed' }))).toEqual([]);
  expect(names(variant('a', [0.1, 0.3]), variant('b', [0.1, 0.1], { stoppedEarly: 'after epoch 2' }))).toEqual([]);
});

test('findLaggards ignores validations without ground truth', () => {
  expect(names(variant('a', [null, null]), variant('b', [0.1, 0.1]))).toEqual([]);
  expect(names(variant('a', [0.1, 0.3]), variant('b', [0.1, null]))).toEqual([]);
});
