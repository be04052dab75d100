import { expect, test } from 'vitest';
import { RunRecord } from '../../../../activities/shared/run/run-record.ts';
import { measureSpeed } from '../../../../activities/shared/run/training-speed.ts';
import type { TrainerEvent } from '../../../../configs/schema/index.ts';
import { startedEvent, stepEvent, validationEvent } from '../../../fixtures/sample-report.ts';

const speedOf = (events: TrainerEvent[]) => measureSpeed(RunRecord.of(events).steps);
const step = (iteration: number, stepSeconds: number, mfu: number | null = 0.3) =>
  stepEvent({ epoch: Math.ceil(iteration / 100), iteration, stepSeconds, imagesPerSecond: 8 / stepSeconds, mfu });

test('measureSpeed divides the images of each epoch by the time in its steps, without what a restart repeats', () => {
  const events = [
    startedEvent({ t: 0 }),
    step(50, 1),
    step(100, 2, 0.15),
    validationEvent({ t: 999, iteration: 100, seconds: 500 }),
    step(150, 9),
    // A crash and a pause of hours; the steps up to 150 are trained again.
    startedEvent({ t: 50_000, attempt: 2, iteration: 120 }),
    step(150, 1),
    step(200, 1),
  ];
  const speed = speedOf(events);
  // 180 steps of 8 images in 50 + 100 + 30 + 50 s.
  expect(speed?.imagesPerSecond).toBeCloseTo((180 * 8) / 230, 9);
  expect(speed?.mfu).toBeCloseTo((130 * 0.3 + 100 * 0.15) / 230, 9);
  expect(speed?.epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
  expect(speed?.epochs[0]?.imagesPerSecond).toBeCloseTo((100 * 8) / 150, 9);
  expect(speed?.epochs[0]?.mfu).toBeCloseTo((50 * 0.3 + 100 * 0.15) / 150, 9);
  expect(speed?.epochs[1]?.imagesPerSecond).toBeCloseTo(8, 9);
});

test('measureSpeed has no MFU on a CPU, and nothing for a trainer that recorded no speed', () => {
  expect(speedOf([startedEvent(), step(50, 1, null)])).toMatchObject({ imagesPerSecond: 8, mfu: null });
  expect(speedOf([startedEvent(), stepEvent()])).toBeUndefined();
});
