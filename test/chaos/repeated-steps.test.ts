/** The oracle must not accept steps that ran again without a fault of their trainer. */
import { expect, test } from 'vitest';
import type { Fault } from './fault-plan.ts';
import type { InjectedFault } from './inject-faults.ts';
import type { Event } from './job-record.ts';
import { checkRepeatedSteps, countRepeated } from './repeated-steps.ts';

/** Events of a trainer that starts at a time and trains some steps, one a second. */
const attempt = (number: number, t: number, steps: number[]): Event[] => [
  { type: 'started', t, attempt: number, iteration: (steps[0] ?? 1) - 1 },
  ...steps.map((iteration, index) => ({ type: 'step', t: t + index + 1, attempt: number, iteration })),
];

const fault: Fault = {
  id: 1,
  action: { kind: 'kill', victim: 'rank' },
  soon: false,
  moment: { at: 'time', seconds: 0 },
};
const hit = (at: number, change: Partial<InjectedFault> = {}): InjectedFault => ({
  fault,
  at,
  endedAt: at,
  victims: [],
  job: 'train',
  damagedCheckpoint: null,
  adoptedAfterSeconds: null,
  ...change,
});

const restarted = [...attempt(1, 0, [1, 2, 3, 4]), ...attempt(2, 10, [3, 4, 5])];

test('countRepeated counts each step that ran again', () => {
  expect(countRepeated(attempt(1, 0, [1, 2, 3]))).toBe(0);
  expect(countRepeated([...restarted, ...attempt(3, 20, [4, 5])])).toBe(4);
});

test('checkRepeatedSteps accepts an undisturbed run, and a restart after a fault of the trainer', () => {
  expect(checkRepeatedSteps(attempt(1, 0, [1, 2, 3]), [])).toEqual([]);
  expect(checkRepeatedSteps(restarted, [hit(4)])).toEqual([]);
});

test.each([
  ['without a fault', []],
  ['after a fault of the server', [hit(4, { job: null })]],
  ['after a fault of the test', [hit(4, { job: 'test' })]],
])('checkRepeatedSteps detects a restart %s', (_title, injected) => {
  expect(checkRepeatedSteps(restarted, injected)).toEqual([
    'nothing lost: 2 attempts trained, but only 0 faults hit a trainer',
    'nothing lost: steps were repeated, but no fault hit the trainer',
  ]);
});

test('checkRepeatedSteps detects a second restart after one fault', () => {
  expect(checkRepeatedSteps([...restarted, ...attempt(3, 20, [5, 6])], [hit(4)])).toEqual([
    'nothing lost: 3 attempts trained, but only 1 faults hit a trainer',
  ]);
});

test('checkRepeatedSteps detects steps that one attempt repeats', () => {
  expect(checkRepeatedSteps(attempt(1, 0, [1, 2, 2, 3]), [])).toEqual([
    'nothing lost: steps were repeated, but no fault hit the trainer',
  ]);
});

test('checkRepeatedSteps excuses attempts that start while a fault lasts, also before the first step', () => {
  const crashing = [...restarted, ...attempt(3, 20, [4]), ...attempt(4, 30, [4, 5])];
  expect(checkRepeatedSteps(crashing, [hit(-1, { endedAt: 25 })])).toEqual([]);
  expect(checkRepeatedSteps(crashing, [hit(-1, { endedAt: 5 })])).not.toEqual([]);
});

test('checkRepeatedSteps ignores a trainer that starts only to report its end', () => {
  expect(checkRepeatedSteps([...attempt(1, 0, [1, 2, 3]), ...attempt(2, 10, [])], [])).toEqual([]);
});

test('checkRepeatedSteps detects an acknowledged checkpoint that a fault damaged', () => {
  expect(checkRepeatedSteps(restarted, [hit(4, { damagedCheckpoint: 'e001-i000003.pth' })])).toEqual([
    'O6: right after fault 1 the acknowledged e001-i000003.pth was damaged',
  ]);
});
