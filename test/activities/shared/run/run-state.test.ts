import { expect, test } from 'vitest';
import { applyEvent, initialState, isMilestone } from '../../../../activities/shared/run/run-state.ts';
import type { TrainerEvent } from '../../../../configs/schema/index.ts';
import { startedEvent, stepEvent, validationEvent } from '../../../fixtures/sample-report.ts';

const saved = (iteration: number, checkpointNow: number, attempt = 2): TrainerEvent => {
  const file = `e001-i${iteration}.pth`;
  const cost = { bytes: 1, sha256: 'a'.repeat(64), seconds: 1, blockedSeconds: 0.1 };
  return { v: 1, type: 'checkpoint', t: 1, attempt, file, epoch: 1, iteration, ...cost, checkpointNow };
};
const after = (...events: TrainerEvent[]) => events.reduce(applyEvent, initialState(1, 36, 2));

test('events of another trainer change the progress, but not the watched trainer', () => {
  const state = after(startedEvent({ attempt: 1 }), stepEvent({ attempt: 1, iteration: 70 }));
  expect(state.progress.iteration).toBe(70);
  expect(state.trainer).toBeNull();
});

test('the time of the first step is derived from the first step event', () => {
  const started = startedEvent({ attempt: 2, iteration: 50, t: 100 });
  const state = after(started, stepEvent({ attempt: 2, iteration: 100, stepSeconds: 0.5, t: 130 }));
  expect(state.trainer).toMatchObject({ startIteration: 50, firstStepAt: 130 - 49 * 0.5 });
});

test('an epoch counts when it is completed', () => {
  const started = startedEvent({ attempt: 2 });
  expect(after(started, stepEvent({ attempt: 2, epoch: 3 })).trainer?.epoch).toBe(2);
  expect(after(started, validationEvent({ attempt: 2, epoch: 3 })).trainer?.epoch).toBe(3);
  expect(
    after(started, { v: 1, type: 'ended', t: 1, attempt: 2, reason: 'finished', epoch: 4, iteration: 9 }),
  ).toMatchObject({
    trainer: { epoch: 4 },
  });
});

test('a checkpoint is a milestone once, when it answers a new request', () => {
  const started = after(startedEvent({ attempt: 2 }));
  expect(isMilestone(started, saved(10, 0))).toBe(false);
  expect(isMilestone(started, saved(10, 1))).toBe(true);
  const done = after(startedEvent({ attempt: 2 }), saved(10, 1));
  expect(done.progress.checkpointNow).toBe(1);
  expect(isMilestone(done, saved(20, 1))).toBe(false);
  expect(isMilestone(started, saved(10, 1, 1))).toBe(false);
});
