import { expect, test } from 'vitest';
import { RecoveryPolicy, type Attempt, type TrainerControl } from '../../../configs/schema/index.ts';
import { decideNext } from '../../../workflows/train/decide.ts';
import type { Situation } from '../../../workflows/train/verdict.ts';
import { miniPlan } from '../../helpers/mini-run.ts';
import { aFailure, anAttempt } from '../../helpers/workflow-env.ts';

const control: TrainerControl = {
  v: 1,
  epochs: 3,
  checkpointNow: 0,
  learningRateFactor: 1,
  fp32: false,
  accumulate: 1,
};
const plan = { ...miniPlan, recovery: RecoveryPolicy.parse({}), batchPerGpu: 4 };
const decide = (attempts: Attempt[], change: Partial<Situation> = {}) =>
  decideNext({ attempts, plan, control, request: 'nothing', secondsSinceRequest: 1.5, ...change });

const crash = (change: Partial<Attempt> = {}): Attempt =>
  anAttempt({ outcome: 'crashed', failure: aFailure('retry'), checkpointIteration: null, ...change });
const withCheckpoint: Partial<Attempt> = { fromIteration: 10, checkpointIteration: 20 };
const ended = (outcome: Attempt['outcome']): Attempt => anAttempt({ outcome, checkpointIteration: null });
const diverged = (change: Partial<Attempt> = {}): Attempt =>
  crash({ failure: aFailure('rollback'), checkpoints: [30, 20, 10], fence: 7, ...change });
const outOfMemory = (change: Partial<Attempt> = {}): Attempt =>
  crash({ failure: aFailure('accumulate-gradients'), ...change });

test.each<[string, Attempt[], string]>([
  ['a finished training is tested', [ended('finished')], 'test'],
  ['a lost worker leaves a trainer to adopt', [ended('worker-lost')], 'adopt'],
  ['a preempted trainer goes on', [ended('preempted')], 'retry'],
  ['a first crash goes on', [crash()], 'retry'],
  ['a hang counts as a crash', [crash(), crash(), crash({ outcome: 'hung' })], 'stop'],
  ['a second crash without progress goes on', [crash(), crash()], 'retry'],
  ['a third crash in a row without progress stops', [crash(), crash(), crash()], 'stop'],
  ['crashes with a new checkpoint each are free', Array.from({ length: 5 }, () => crash(withCheckpoint)), 'retry'],
  [
    'crashes that all begin at one checkpoint are counted',
    [crash(withCheckpoint), ...Array.from({ length: 3 }, () => crash({ fromIteration: 20, checkpointIteration: 20 }))],
    'stop',
  ],
  ['a new checkpoint starts the count anew', [crash(), crash(), crash(withCheckpoint)], 'retry'],
  ['a lost worker between crashes does not reset the count', [crash(), crash(), ended('worker-lost'), crash()], 'stop'],
  ['a failure that another attempt would not fix stops at once', [crash({ failure: aFailure('stop', 1) })], 'stop'],
  ['a full disk is waited for', [crash({ failure: aFailure('wait-for-space') })], 'wait-for-space'],
  ['a failure allowed twice stops at the second', [1, 2].map(() => crash({ failure: aFailure('retry', 2) })), 'stop'],
])('%s', (_title, attempts, next) => {
  expect(decide(attempts).next).toBe(next);
});

test('a crash with progress is resumed without waiting, one without it later and later', () => {
  expect(decide([crash(withCheckpoint)]).waitSeconds).toBe(0);
  expect(decide([crash()]).waitSeconds).toBe(0);
  expect(decide([crash(), crash()]).waitSeconds).toBe(1);
  const lost = Array.from({ length: 12 }, () => ended('worker-lost'));
  expect(decide(lost.slice(0, 4)).waitSeconds).toBe(4);
  expect(decide(lost).waitSeconds).toBe(60);
  const lostAfterAnHour = anAttempt({ outcome: 'worker-lost', startedAt: 0, endedAt: 3600 });
  expect(decide([...lost, lostAfterAnHour]).waitSeconds).toBe(0);
  expect(decide([...lost, lostAfterAnHour, ...lost.slice(0, 2)]).waitSeconds).toBe(1);
});

test('NaN goes back to the checkpoint that the plan names, with its change', () => {
  expect(decide([diverged()])).toMatchObject({
    next: 'retry',
    rollback: { toIteration: 20, fence: 7 },
    control: { learningRateFactor: 0.5, fp32: false },
    change: 'back to iteration 20; learning rate x 0.5',
  });
});

test('a second NaN halves the learning rate once more, a third stops', () => {
  const second = decide([diverged(), diverged()], { control: { ...control, learningRateFactor: 0.5 } });
  expect(second.control?.learningRateFactor).toBe(0.25);
  expect(decide([diverged(), diverged(), diverged()])).toMatchObject({ next: 'stop', code: 'TrainingDiverged' });
});

test('NaN before any checkpoint begins from the start', () => {
  expect(decide([diverged({ checkpoints: [] })]).rollback?.toIteration).toBe(0);
});

test('out of memory where the recipe cuts the batch already: its parts are halved, and counted as they are', () => {
  const { summary } = plan.recipe;
  const inTwos = { ...plan, recipe: { ...plan.recipe, summary: { ...summary, imagesAtOnce: 2 } } };
  const second = decide([outOfMemory(), outOfMemory()], { plan: inTwos });
  expect(second).toMatchObject({ control: { accumulate: 2 } });
  expect(second.change).toContain('each batch of 4 in 4 parts');
  const halved = { plan: inTwos, control: { ...control, accumulate: 2 } };
  expect(decide([outOfMemory(), outOfMemory()], halved)).toMatchObject({ next: 'stop', code: 'OutOfGpuMemory' });
});

test('out of memory: once more as it was, then in parts, and no smaller than one image', () => {
  expect(decide([outOfMemory()])).toMatchObject({ next: 'retry', change: null });
  expect(decide([outOfMemory(), outOfMemory()]).control?.accumulate).toBe(2);
  expect(decide([outOfMemory(withCheckpoint), outOfMemory()]).control?.accumulate).toBe(2);
  expect(decide([outOfMemory(), outOfMemory(), outOfMemory(withCheckpoint)]).change).toBeNull();
  const smallest = { control: { ...control, accumulate: 4 } };
  expect(decide([outOfMemory(), outOfMemory()], smallest)).toMatchObject({ next: 'stop', code: 'OutOfGpuMemory' });
});

test('out of memory without a fallback in the plan stops', () => {
  const recovery = RecoveryPolicy.parse({ outOfMemory: { accumulate: false } });
  const verdict = decide([outOfMemory(), outOfMemory()], { plan: { ...plan, recovery } });
  expect(verdict).toMatchObject({ next: 'stop', code: 'OutOfGpuMemory' });
});

test('an unreadable checkpoint gives way to the one before it', () => {
  const attempt = crash({ failure: aFailure('previous-checkpoint'), checkpoints: [30, 20], fence: 4 });
  expect(decide([attempt]).rollback).toMatchObject({ toIteration: 20, fence: 4 });
});

test('a training that finished before it was extended goes on', () => {
  expect(decide([anAttempt({ epoch: 3 })], { control: { ...control, epochs: 5 } }).next).toBe('retry');
});

test('a pause waits, a cancellation stops without a failure, and both say what is safe', () => {
  const stopped = anAttempt({ outcome: 'preempted', checkpoints: [42] });
  expect(decide([stopped], { request: 'pause' })).toMatchObject({ next: 'pause' });
  const cancelled = decide([stopped], { request: 'cancel' });
  expect(cancelled).toMatchObject({ next: 'stop' });
  expect(cancelled.code).toBeUndefined();
  expect(cancelled.why).toContain('stopped in 1.5 s: checkpoint 42 is complete');
});
