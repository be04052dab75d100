import { expect, test } from 'vitest';
import { RunRecord } from '../../../../activities/shared/run/run-record.ts';
import type { TrainerEvent } from '../../../../configs/schema/index.ts';
import { startedEvent, stepEvent, validationEvent } from '../../../fixtures/sample-report.ts';

const step = (attempt: number, iteration: number, loss: number | null = attempt): TrainerEvent =>
  stepEvent({ attempt, t: 100 * attempt + iteration, iteration, loss, lr: iteration / 100 });
const crashed = [
  startedEvent({ t: 100 }),
  step(1, 10),
  step(1, 20, null),
  validationEvent({ t: 121, iteration: 20 }),
  step(1, 30),
  step(1, 40),
  startedEvent({ t: 200, attempt: 2, iteration: 20 }),
];

test('RunRecord keeps of consecutive steps only the last as an event', () => {
  const { events } = RunRecord.of(crashed);
  expect(events.map((event) => `${event.type} ${'iteration' in event ? event.iteration : ''}`)).toEqual([
    'started 0',
    'step 20',
    'validation 20',
    'step 40',
    'started 20',
  ]);
});

test('RunRecord keeps the steps that no later trainer repeated', () => {
  const { steps } = RunRecord.of([...crashed, step(2, 30), step(2, 30, 7)]);
  expect(steps).toMatchObject({ iteration: [10, 20, 30], t: [110, 120, 230], loss: [1, NaN, 7], lr: [0.1, 0.2, 0.3] });
});

test('progress has the loss of the last step that was kept', () => {
  expect(RunRecord.of(crashed.slice(0, -1)).progress(3)).toMatchObject({ iteration: 40, loss: 1, epochs: 3 });
  expect(RunRecord.of(crashed).progress(3)).toMatchObject({ iteration: 20, loss: null, lr: 0.2, etaSeconds: null });
  expect(RunRecord.of([]).progress(3)).toMatchObject({ iteration: 0, loss: null });
});

test('findIteration knows each step, also those that were repeated', () => {
  const record = RunRecord.of(crashed);
  expect([99, 100, 115, 130.5, 150, 199, 200].map((at) => record.findIteration(at))).toEqual([
    null,
    0,
    10,
    30,
    40,
    40,
    null,
  ]);
});
