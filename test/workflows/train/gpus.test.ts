import { expect, test } from 'vitest';
import {
  RecoveryPolicy,
  type Attempt,
  type AttemptGpus,
  type FailureReaction,
  type GpuProblem,
} from '../../../configs/schema/index.ts';
import { decideNext } from '../../../workflows/train/decide.ts';
import { knownGpus, largestShare, trustGpus } from '../../../workflows/train/gpus.ts';
import type { Situation } from '../../../workflows/train/verdict.ts';
import { miniControl as control, miniPlan } from '../../helpers/mini-run.ts';
import { aFailure, anAttempt } from '../../helpers/stub-activities.ts';

const all = ['a', 'b', 'c', 'd'];

/** State of a machine in which some GPUs do not work. */
const gpusWithout = (broken: string[], change: Partial<AttemptGpus> = {}): AttemptGpus => {
  const usable = all.filter((uuid) => !broken.includes(uuid));
  const why = 'the GPU has fallen off the bus';
  const problems = broken.map((uuid): GpuProblem => {
    const name = 'Test GPU';
    return { uuid, name, verdict: 'unusable', kinds: ['lost'], why, remedy: 'Restart the machine.' };
  });
  return { leased: all, usable, free: usable, failed: broken, problems, ...change };
};

const crash = (gpus: AttemptGpus, reaction: FailureReaction = 'replace-gpu', change: Partial<Attempt> = {}): Attempt =>
  anAttempt({ outcome: 'crashed', failure: aFailure(reaction, 2), checkpointIteration: null, gpus, ...change });

const decide = (attempts: Attempt[], fewerGpus: boolean, change: Partial<Situation> = {}) =>
  decideNext({
    attempts,
    plan: { ...miniPlan, gpus: 4, recovery: RecoveryPolicy.parse({ fewerGpus }) },
    control,
    request: 'nothing',
    secondsSinceRequest: 1,
    etaSeconds: 3600,
    trustsGpus: true,
    ...change,
  });

test('a run waits for a lost GPU when the plan does not allow fewer', () => {
  const verdict = decide([crash(gpusWithout(['c']))], false);
  expect(verdict.next).toBe('wait-for-gpus');
  expect(verdict.change).toBe('c is not usable: the GPU has fallen off the bus');
  expect(verdict.control).toBeUndefined();
});

test.each<[string[], number, string]>([
  [['c'], 2, 'each accumulates the gradients of 2 ranks; about 2 h 00 min left'],
  [['b', 'c'], 2, 'each accumulates the gradients of 2 ranks; about 2 h 00 min left'],
  [['a', 'b', 'c'], 1, 'each accumulates the gradients of 4 ranks; about 4 h 00 min left'],
])('a run without the GPUs %j trains on %i with the same batch', (broken, gpus, change) => {
  const verdict = decide([crash(gpusWithout(broken))], true);
  expect(verdict.next).toBe('retry');
  expect(verdict.control?.gpus).toBe(gpus);
  expect(verdict.change).toContain(`trains on ${gpus} of 4 GPUs with the same batch per step: ${change}`);
});

test('a run waits when no GPU is left', () => {
  expect(decide([crash(gpusWithout(all))], true).next).toBe('wait-for-gpus');
});

test('another GPU of the machine takes the place of a lost one', () => {
  const verdict = decide(
    [crash(gpusWithout(['c'], { usable: ['a', 'b', 'd', 'e'], free: ['a', 'b', 'd', 'e'] }))],
    false,
  );
  expect([verdict.next, verdict.control]).toEqual(['retry', undefined]);
  expect(verdict.change).toBe('c is not usable: the GPU has fallen off the bus; other GPUs take over');
});

test('a GPU that works again after one failure is used again', () => {
  const verdict = decide([crash(gpusWithout([], { failed: ['c'] }))], true);
  expect([verdict.next, verdict.change, verdict.control]).toEqual(['retry', null, undefined]);
});

test('a GPU that failed twice is left out, though it works again', () => {
  const failed = crash(gpusWithout([], { failed: ['c'] }));
  const attempts = [failed, anAttempt({ outcome: 'preempted', checkpointIteration: null }), failed];
  expect(knownGpus(attempts, 0)).toEqual({ known: all, leftOut: ['c'] });
  const verdict = decide(attempts, true);
  expect(verdict.control?.gpus).toBe(2);
  expect(verdict.change).toContain('c failed twice and is left out; trains on 2 of 4 GPUs');
  expect(decide(attempts, false).next).toBe('wait-for-gpus');
});

test('a GPU that failed twice is used again when training made progress and no other GPU is free', () => {
  const failed = (attempt: number, change: Partial<Attempt> = {}) =>
    crash(gpusWithout([], { failed: ['c'] }), 'replace-gpu', { attempt, ...change });
  const advanced = { fromIteration: 10, checkpointIteration: 20 };
  const attempts = [failed(1), failed(2, advanced)];
  const verdict = decide(attempts, false);
  expect([verdict.next, verdict.trustsGpus]).toEqual(['retry', true]);
  expect(verdict.change).toBe('c failed twice and is used again: training made progress and no other GPU is free');
  expect(knownGpus(attempts, 2)).toEqual({ known: all, leftOut: [] });
  // From now on, two failures without progress still make the run wait.
  expect(decide(trustGpus([...attempts, failed(3)], 2), false).next).toBe('retry');
  expect(decide(trustGpus([...attempts, failed(3), failed(4)], 2), false).next).toBe('wait-for-gpus');
  // A plan that allows fewer GPUs, and histories from before, leave it out.
  expect(decide(attempts, true).control?.gpus).toBe(2);
  expect(decide(attempts, false, { trustsGpus: false }).next).toBe('wait-for-gpus');
  const lost = crash(gpusWithout(['c']), 'replace-gpu', { attempt: 2, ...advanced });
  expect(decide([failed(1), lost], false).next).toBe('wait-for-gpus');
});

test('the failure of a GPU that is left out is not counted', () => {
  const failed = crash(gpusWithout([], { failed: ['c'] }), 'retry');
  expect(decide([failed, failed], true).next).toBe('retry');
  const other = crash(gpusWithout([], { failed: ['d'] }), 'retry');
  expect(decide([failed, failed, other], true, { control: { ...control, gpus: 2 } }).next).toBe('retry');
  // The second GPU fails twice as well without a new checkpoint in between: GPUs are not the cause.
  const verdict = decide([failed, failed, other, other], true, { control: { ...control, gpus: 2 } });
  expect([verdict.next, verdict.code]).toEqual(['stop', 'TrainerNoProgress']);
  const progressed = { ...other, fromIteration: 10, checkpointIteration: 20 };
  expect(decide([failed, failed, progressed, other], true, { control: { ...control, gpus: 2 } }).next).toBe('retry');
});

test('the failure of different GPUs without a new checkpoint ends the run', () => {
  const fault = (uuid: string) => crash(gpusWithout([], { failed: [uuid] }), 'retry');
  expect(decide([fault('a'), fault('b')], true).code).toBe('TrainerNoProgress');
});

test('a run returns to all GPUs once they are free', () => {
  const fewer = { ...control, gpus: 2, learningRateFactor: 0.5 };
  const stopped = (change: Partial<AttemptGpus>) =>
    anAttempt({ outcome: 'preempted', gpus: gpusWithout([], { leased: ['a', 'b'], ...change }) });
  const back = decide([stopped({})], true, { control: fewer });
  expect(back.control).toEqual({ ...fewer, gpus: 4 });
  expect(back.change).toBe('trains on all 4 GPUs again; about 30 min 00 s left');
  const held = decide([stopped({ free: ['a', 'b', 'c'] })], true, { control: fewer });
  expect([held.change, held.control]).toEqual([null, undefined]);
});

test('a run that rolls back on fewer GPUs keeps both changes', () => {
  const verdict = decide([crash(gpusWithout(['d']), 'rollback', { checkpoints: [30, 20] })], true);
  expect([verdict.control?.gpus, verdict.control?.learningRateFactor]).toEqual([2, 0.5]);
  expect(verdict.change).toContain('rolled back to iteration 20');
});

test('a start with too few GPUs is neither counted nor a failure of those GPUs', () => {
  const start = crash(gpusWithout(['c'], { leased: [], failed: [] }), 'replace-gpu');
  const verdict = decide(
    Array.from({ length: 9 }, () => start),
    false,
  );
  expect([verdict.next, verdict.change]).toEqual(['wait-for-gpus', 'c is not usable: the GPU has fallen off the bus']);
  expect(knownGpus([start, start], 0).leftOut).toEqual([]);
});

test('a pause and a cancellation are not replaced by a wait for GPUs', () => {
  const lost = anAttempt({ outcome: 'preempted', gpus: gpusWithout(['c']) });
  expect(decide([lost], false, { request: 'pause' }).next).toBe('pause');
  expect(decide([lost], false, { request: 'cancel' }).next).toBe('stop');
});

test('a lost GPU ends the run when the health of the GPUs is unknown', () => {
  const unknown = anAttempt({ outcome: 'crashed', failure: aFailure('replace-gpu', 2) });
  expect(decide([unknown], true).code).toBe('TrainingFailed');
});

test('largestShare returns the most GPUs among which the ranks divide evenly', () => {
  expect([4, 3, 2, 1, 0].map((left) => largestShare(4, left))).toEqual([4, 2, 2, 1, 0]);
  expect([5, 4, 3].map((left) => largestShare(6, left))).toEqual([3, 3, 3]);
  expect(largestShare(5, 4)).toBe(1);
  expect(largestShare(2, 8)).toBe(2);
});
