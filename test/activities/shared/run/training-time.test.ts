import { expect, test } from 'vitest';
import { TrainingTime } from '../../../../activities/shared/run/training-time.ts';
import type { TrainerEvent } from '../../../../configs/schema/index.ts';
import { startedEvent, stepEvent, validationEvent } from '../../../fixtures/sample-report.ts';

const steps = (t: number, ...iterations: number[]) =>
  iterations.map((iteration) => stepEvent({ t: t + iteration, iteration, stepSeconds: 1 }));
const spent = (since: number, events: TrainerEvent[]) => {
  const time = new TrainingTime(since);
  for (const event of events) time.add(event);
  return time.total();
};

test('a step event counts all steps since the previous one', () => {
  const events = [startedEvent({ t: 100 }), ...steps(100, 10, 20, 25), validationEvent({ t: 130, seconds: 4 })];
  expect(spent(0, events)).toEqual({ steppingSeconds: 25, productiveSeconds: 25, evaluationSeconds: 4 });
});

test('steps that a later trainer repeats are not productive, even within a span', () => {
  const events = [startedEvent({ t: 100 }), ...steps(100, 10, 20, 30), startedEvent({ t: 140, iteration: 15 })];
  expect(spent(0, [...events, ...steps(140, 20)])).toMatchObject({ steppingSeconds: 35, productiveSeconds: 20 });
});

test('steps after a checkpoint are counted with their own duration, even within a span', () => {
  const time = new TrainingTime(0);
  const slow = stepEvent({ t: 200, iteration: 30, stepSeconds: 9 });
  for (const event of [startedEvent({ t: 100 }), ...steps(100, 10, 20), slow]) time.add(event);
  expect([0, 15, 30].map((iteration) => time.secondsAfter(iteration))).toEqual([110, 95, 0]);
});

test('time of an earlier workflow run is not counted', () => {
  const events = [startedEvent({ t: 100 }), ...steps(100, 10, 20), validationEvent({ t: 125, seconds: 5 })];
  expect(spent(115, events)).toEqual({ steppingSeconds: 5, productiveSeconds: 5, evaluationSeconds: 5 });
  expect(spent(123, events)).toEqual({ steppingSeconds: 0, productiveSeconds: 0, evaluationSeconds: 2 });
});
