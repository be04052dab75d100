import { expect, test } from 'vitest';
import { compareLosses } from '../../../activities/verify/compare-stretch.ts';
import type { TrainerEvent } from '../../../configs/schema/index.ts';

const steps = (losses: Record<number, number | null>): TrainerEvent[] =>
  Object.entries(losses).map(([iteration, loss]) => ({
    v: 1,
    type: 'step',
    t: 0,
    attempt: 1,
    epoch: 1,
    iteration: Number(iteration),
    loss,
    losses: {},
    lr: 0.1,
    stepSeconds: 1,
    dataSeconds: null,
    etaSeconds: null,
    memoryMb: null,
  }));

const losses = (of: Record<number, number | null>) =>
  new Map(Object.entries(of).map(([iteration, loss]) => [Number(iteration), loss]));

test.each([
  ['equal losses', { 1: 2, 2: 3 }, 0, { steps: 2, largest: 0, difference: null }],
  ['a difference in the last bit', { 1: 2, 2: 3 + 4e-16 }, 0, { difference: { step: 2, lastEqual: 1 } }],
  ['a difference within the tolerance', { 1: 2, 2: 2.97 }, 0.02, { steps: 2, difference: null }],
  ['a difference beyond the tolerance', { 1: 2, 2: 2.7 }, 0.05, { difference: { original: 3, repeated: 2.7 } }],
  ['a loss that is not finite', { 1: 2, 2: null }, 0.5, { difference: { step: 2, repeated: null } }],
  ['steps that the run did not log', { 1: 2, 5: 9 }, 0, { steps: 1, difference: null }],
  ['no step', {}, 0, { steps: 0, difference: null }],
])('losses are compared: %s', (_, repeated, tolerance, expected) => {
  expect(compareLosses(losses({ 1: 2, 2: 3 }), steps(repeated), tolerance)).toMatchObject(expected);
});

test('two losses that are not finite are equal', () => {
  expect(compareLosses(losses({ 1: null }), steps({ 1: null }), 0)).toMatchObject({ steps: 1, difference: null });
});
