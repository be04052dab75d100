import { expect, test } from 'vitest';
import { RecoveryPolicy, type Attempt } from '../../../configs/schema/index.ts';
import { decideNext } from '../../../workflows/train/decide.ts';
import { leaveOutWaits, startAtKnownCheckpoints, type Situation } from '../../../workflows/train/verdict.ts';
import { Random } from '../../chaos/random.ts';
import { miniControl as control, miniPlan } from '../../helpers/mini-run.ts';
import { aFailure, anAttempt } from '../../helpers/stub-activities.ts';

const plan = { ...miniPlan, recovery: RecoveryPolicy.parse({}), batchPerGpu: 4 };
const decide = (attempts: Attempt[], change: Partial<Situation> = {}) =>
  decideNext({
    attempts: leaveOutWaits(startAtKnownCheckpoints(attempts)),
    plan,
    control,
    request: 'nothing',
    secondsSinceRequest: 1.5,
    trustsGpus: true,
    ...change,
  });

const crash = (change: Partial<Attempt> = {}): Attempt =>
  anAttempt({ outcome: 'crashed', failure: aFailure('retry'), checkpointIteration: null, ...change });
const withCheckpoint: Partial<Attempt> = { fromIteration: 10, checkpointIteration: 20 };
const full: Partial<Attempt> = { failure: aFailure('wait-for-space') };
const ended = (outcome: Attempt['outcome']): Attempt => anAttempt({ outcome, checkpointIteration: null });
const diverged = (change: Partial<Attempt> = {}): Attempt =>
  crash({ failure: aFailure('rollback'), checkpoints: [30, 20, 10], fence: 7, ...change });
const outOfMemory = (change: Partial<Attempt> = {}): Attempt =>
  crash({ failure: aFailure('accumulate-gradients'), ...change });

test.each<[string, Attempt[], string]>([
  ['tests a finished training', [ended('finished')], 'test'],
  ['adopts the trainer after a lost worker', [ended('worker-lost')], 'adopt'],
  ['retries a preempted trainer', [ended('preempted')], 'retry'],
  ['retries after a first crash', [crash()], 'retry'],
  ['counts a hang as a crash', [crash(), crash(), crash({ outcome: 'hung' })], 'stop'],
  ['retries after a second crash without progress', [crash(), crash()], 'retry'],
  ['stops after a third crash in a row without progress', [crash(), crash(), crash()], 'stop'],
  [
    'does not count crashes with a new checkpoint each',
    Array.from({ length: 5 }, () => crash(withCheckpoint)),
    'retry',
  ],
  [
    'counts crashes that all start from one checkpoint',
    [crash(withCheckpoint), ...Array.from({ length: 3 }, () => crash({ fromIteration: 20, checkpointIteration: 20 }))],
    'stop',
  ],
  ['resets the count after a new checkpoint', [crash(), crash(), crash(withCheckpoint)], 'retry'],
  ['keeps the count across a lost worker', [crash(), crash(), ended('worker-lost'), crash()], 'stop'],
  [
    'does not count waits for storage or space as other failures',
    [...(['wait-for-storage', 'wait-for-space'] as const).map((wait) => crash({ failure: aFailure(wait) })), crash()],
    'retry',
  ],
  [
    'stops when the disk is full three times in a row, with an unreadable disk in between',
    [crash(full), crash({ failure: aFailure('wait-for-storage') }), crash(full), crash(full)],
    'stop',
  ],
  ['stops at once after a failure that a retry cannot fix', [crash({ failure: aFailure('stop', 1) })], 'stop'],
  ['waits for space when the disk is full', [crash({ failure: aFailure('wait-for-space') })], 'wait-for-space'],
  [
    'stops at the second failure of a class that allows two',
    [1, 2].map(() => crash({ failure: aFailure('retry', 2) })),
    'stop',
  ],
])('decideNext %s', (_title, attempts, next) => {
  expect(decide(attempts).next).toBe(next);
});

test('decideNext retries a crash with progress at once and others with growing backoff', () => {
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

test('decideNext waits for the storage however often it fails, unless a person pauses the run', () => {
  const failed = Array.from({ length: 40 }, () => crash({ failure: aFailure('wait-for-storage') }));
  expect(decide(failed)).toMatchObject({ next: 'wait-for-storage', waitSeconds: 300 });
  const unwatched = Array.from({ length: 40 }, () =>
    anAttempt({ outcome: 'worker-lost', watchError: 'StorageUnavailable' }),
  );
  expect(decide(unwatched)).toMatchObject({ next: 'wait-for-storage', waitSeconds: 300 });
  expect(decide(unwatched, { request: 'pause' }).next).toBe('adopt');
});

test('decideNext rolls back after NaN as the plan says', () => {
  expect(decide([diverged()])).toMatchObject({
    next: 'retry',
    rollback: { toIteration: 20, fence: 7 },
    control: { learningRateFactor: 0.5, fp32: false },
    change: 'rolled back to iteration 20; learning rate x 0.5',
  });
});

test('decideNext halves the learning rate again after a second NaN and stops after a third', () => {
  const second = decide([diverged(), diverged()], { control: { ...control, learningRateFactor: 0.5 } });
  expect(second.control?.learningRateFactor).toBe(0.25);
  expect(decide([diverged(), diverged(), diverged()])).toMatchObject({ next: 'stop', code: 'TrainingDiverged' });
});

test('decideNext starts from scratch after NaN when there is no checkpoint', () => {
  expect(decide([diverged({ checkpoints: [] })]).rollback?.toIteration).toBe(0);
});

test('decideNext halves the parts when the recipe already splits the batch', () => {
  const { summary } = plan.recipe;
  const inTwos = { ...plan, recipe: { ...plan.recipe, summary: { ...summary, imagesAtOnce: 2 } } };
  const second = decide([outOfMemory(), outOfMemory()], { plan: inTwos });
  expect(second).toMatchObject({ control: { accumulate: 2 } });
  expect(second.change).toContain('each batch of 4 is split into 4 parts');
  const halved = { plan: inTwos, control: { ...control, accumulate: 2 } };
  expect(decide([outOfMemory(), outOfMemory()], halved)).toMatchObject({ next: 'stop', code: 'OutOfGpuMemory' });
});

test('decideNext retries unchanged when out of memory, then splits down to one image', () => {
  expect(decide([outOfMemory()])).toMatchObject({ next: 'retry', change: null });
  expect(decide([outOfMemory(), outOfMemory()]).control?.accumulate).toBe(2);
  expect(decide([outOfMemory(withCheckpoint), outOfMemory()]).control?.accumulate).toBe(2);
  expect(decide([outOfMemory(), outOfMemory(), outOfMemory(withCheckpoint)]).change).toBeNull();
  const smallest = { control: { ...control, accumulate: 4 } };
  expect(decide([outOfMemory(), outOfMemory()], smallest)).toMatchObject({ next: 'stop', code: 'OutOfGpuMemory' });
});

test('decideNext stops when out of memory and the plan forbids splitting', () => {
  const recovery = RecoveryPolicy.parse({ outOfMemory: { accumulate: false } });
  const verdict = decide([outOfMemory(), outOfMemory()], { plan: { ...plan, recovery } });
  expect(verdict).toMatchObject({ next: 'stop', code: 'OutOfGpuMemory' });
});

test('decideNext uses the previous checkpoint when the newest is unreadable', () => {
  const attempt = crash({ failure: aFailure('previous-checkpoint'), checkpoints: [30, 20], fence: 4 });
  expect(decide([attempt]).rollback).toMatchObject({ toIteration: 20, fence: 4 });
});

test('decideNext continues a finished training that was extended', () => {
  expect(decide([anAttempt({ epoch: 3 })], { control: { ...control, epochs: 5 } }).next).toBe('retry');
});

test('decideNext ends a run whose trainer keeps finishing below the requested epochs', () => {
  const extended = { control: { ...control, epochs: 5 } };
  const idle = anAttempt({ fromIteration: 30 });
  expect(decide([anAttempt({}), idle], extended)).toMatchObject({ next: 'retry', waitSeconds: 0 });
  expect(decide([anAttempt({}), idle, idle], extended)).toMatchObject({ next: 'retry', waitSeconds: 1 });
  expect(decide([anAttempt({}), idle, idle, idle], extended)).toMatchObject({
    next: 'stop',
    code: 'TrainerNoProgress',
    why: 'the trainer ended after 3 of 5 epochs without an error, 3 times in a row without a new checkpoint',
  });
  expect(decide([idle, idle, idle])).toMatchObject({ next: 'test' });
});

test('decideNext waits for a pause, stops for a cancellation and names the checkpoint', () => {
  const stopped = anAttempt({ outcome: 'preempted', checkpoints: [42] });
  expect(decide([stopped], { request: 'pause' })).toMatchObject({ next: 'pause' });
  const cancelled = decide([stopped], { request: 'cancel' });
  expect(cancelled).toMatchObject({ next: 'stop' });
  expect(cancelled.code).toBeUndefined();
  expect(cancelled.why).toContain('stopped in 1.5 s: checkpoint 42 is complete');
});

test('decideNext counts a checkpoint that was saved unwatched as progress of the start that found it', () => {
  const killed = crash({ fromIteration: 0, checkpointIteration: 0 });
  const lost = anAttempt({ outcome: 'worker-lost', fromIteration: null, checkpointIteration: null, checkpoints: [] });
  const diskFull = crash({ failure: aFailure('wait-for-space'), fromIteration: null, checkpointIteration: 46 });
  const hung = crash({ outcome: 'hung', fromIteration: 46, checkpointIteration: 46 });
  expect(decide([killed, lost, diskFull, hung]).next).toBe('retry');
  expect(decide([killed, lost, diskFull, hung, hung, hung]).code).toBe('TrainerNoProgress');
  const resumed = crash({ fromIteration: 46, checkpointIteration: 46 });
  expect(decide([killed, killed, lost, resumed]).why).toContain('after a new checkpoint');
});

/** Attempts of a simulated trainer that starts, fails to start, or loses its worker; it may save between two failures. */
function attemptsOf(random: Random, savesBetweenFailures: boolean): Attempt[] {
  const attempts: Attempt[] = [];
  let saved = random.chance(0.5) ? 0 : 10 * random.count(3);
  while (attempts.length < 30) {
    const isUnwatched = savesBetweenFailures && random.chance(0.5) && attempts.length > 0;
    const from = saved;
    if (savesBetweenFailures) saved = from + random.count(20);
    const isRolledBack = savesBetweenFailures && random.chance(0.1);
    for (const isLost of isUnwatched ? [true, false] : [false]) {
      const isReported = !isLost && !isUnwatched;
      const hasStarted = isReported ? savesBetweenFailures || random.chance(0.5) : random.chance(0.5);
      const adopted = isUnwatched && !isLost && random.chance(0.5);
      const start = isReported || isLost || adopted ? from : saved;
      const change = {
        attempt: attempts.length + 1,
        adopted,
        fromIteration: hasStarted ? start : null,
        checkpointIteration: isLost || saved === 0 ? null : saved,
      };
      attempts.push(isLost ? { ...ended('worker-lost'), ...change } : crash(change));
    }
    if (isRolledBack) saved = Math.floor(saved / 2);
  }
  return attempts;
}

test('decideNext never stops a run that saves between failures, and always stops one that does not', () => {
  for (let seed = 0; seed < 300; seed++) {
    const progressing = attemptsOf(new Random(`saves ${seed}`), true);
    const stuck = attemptsOf(new Random(`stuck ${seed}`), false);
    const verdicts = (attempts: Attempt[]) => attempts.map((_, index) => decide(attempts.slice(0, index + 1)).next);
    expect(verdicts(progressing), `seed ${seed}`).not.toContain('stop');
    expect(verdicts(stuck).indexOf('stop'), `seed ${seed}`).toBe(2);
  }
});
