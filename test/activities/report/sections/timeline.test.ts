import { describe, expect, test } from 'vitest';
import { buildTimeline, collectCurves, countRepeatedSteps } from '../../../../activities/report/sections/timeline.ts';
import { RunRecord } from '../../../../activities/shared/run/run-record.ts';
import type { Incident, TrainerEvent } from '../../../../configs/schema/index.ts';
import { sampleAttempt, startedEvent, stepEvent, validationEvent } from '../../../fixtures/sample-report.ts';

const steps = (attempt: number, t: number, ...iterations: number[]): TrainerEvent[] =>
  iterations.map((iteration) => stepEvent({ attempt, t: t + iteration / 100, iteration, loss: attempt }));
const resumed = (attempt: number, t: number, iteration: number): TrainerEvent =>
  startedEvent({ attempt, t, iteration, resumedFrom: `e001-i${iteration}.pth` });
const died = (at: number, process = 'gpu worker'): Incident => ({
  v: 1,
  at,
  process,
  pid: 7,
  how: 'SIGKILL',
  restartedAfterSeconds: 1.25,
});

describe('buildTimeline', () => {
  const events: TrainerEvent[] = [
    startedEvent({ t: 10, epochs: 2, iterationsPerEpoch: 100, worldSize: 1, device: 'cpu' }),
    ...steps(1, 10, 50, 100, 120),
    resumed(2, 20, 100),
    ...steps(2, 20, 150, 200),
    { v: 1, type: 'ended', t: 30, attempt: 2, reason: 'finished', epoch: 2, iteration: 200 },
    { v: 1, type: 'tested', t: 32, attempt: 1, done: 12, total: 24 },
    { v: 1, type: 'tested', t: 33, attempt: 1, done: 24, total: 24 },
  ];
  const attempts = [
    sampleAttempt({ startedAt: 9, endedAt: 12, outcome: 'crashed', toIteration: 120, cause: 'Rank 0: SIGSEGV\nmore' }),
    sampleAttempt({ attempt: 2, startedAt: 19, endedAt: 25, outcome: 'worker-lost', toIteration: 150 }),
    sampleAttempt({ attempt: 3, startedAt: 26, endedAt: 31, adopted: true, fromIteration: 180, toIteration: 200 }),
  ];

  test('lists a crash, a lost worker and an adoption in chronological order', () => {
    const timeline = buildTimeline(RunRecord.of(events), [], attempts, [died(21.8)]);
    expect(timeline.map(({ at, kind, what, iteration }) => `${at} ${kind} ${iteration}: ${what}`))
      .toMatchInlineSnapshot(`
      [
        "10 started 0: 2 epochs of 100 steps on 1 × cpu",
        "12 crashed 120: Rank 0: SIGSEGV",
        "20 resumed 100: From e001-i100.pth",
        "21.8 process-died 150: gpu worker (pid 7): SIGKILL; restarted after 1.3 s",
        "25 worker-lost 150: Attempt 2",
        "26 adopted 200: Attempt 3 found the trainer running; no steps lost",
        "30 finished 200: Attempt 3",
        "33 tested null: 24 of 24 images",
      ]
    `);
  });

  test('reports a restart from scratch when there is no valid checkpoint', () => {
    const timeline = buildTimeline(
      RunRecord.of([startedEvent({ t: 1 }), startedEvent({ t: 5, attempt: 2 })]),
      [],
      [],
      [],
    );
    expect(timeline.map(({ kind, what }) => [kind, what])).toEqual([
      ['started', '36 epochs of 14,786 steps on 4 × cuda'],
      ['started', 'Restarted from scratch: no valid checkpoint'],
    ]);
  });

  test('ignores incidents outside the run', () => {
    expect(buildTimeline(RunRecord.of([]), [], [], [died(21)])).toEqual([]);
    const timeline = buildTimeline(RunRecord.of(events), [], attempts, [died(8.9), died(9), died(33), died(33.1)]);
    expect(timeline.filter(({ kind }) => kind === 'process-died').map(({ at, iteration }) => [at, iteration])).toEqual([
      [9, null],
      [33, null],
    ]);
  });

  test('ends a preempted attempt at the trainer’s own event', () => {
    const said: TrainerEvent = { v: 1, type: 'ended', t: 4, attempt: 1, reason: 'preempted', epoch: 0, iteration: 70 };
    const attempt = sampleAttempt({ startedAt: 0, endedAt: 6, outcome: 'preempted', toIteration: 50 });
    expect(buildTimeline(RunRecord.of([said]), [], [attempt], [])).toEqual([
      { at: 4, kind: 'preempted', what: 'Attempt 1', iteration: 70 },
    ]);
  });
});

describe('countRepeatedSteps', () => {
  test('returns 0 without a crash and after an adoption', () => {
    expect(countRepeatedSteps([startedEvent(), ...steps(1, 0, 50, 100, 150)])).toBe(0);
    expect(countRepeatedSteps([])).toBe(0);
  });

  test('counts steps between checkpoint and crash', () => {
    const events = [startedEvent(), ...steps(1, 0, 50, 100, 120), resumed(2, 5, 100), ...steps(2, 5, 150)];
    expect(countRepeatedSteps(events)).toBe(20);
  });

  test('counts a step once for each time it was lost', () => {
    const first = [startedEvent(), ...steps(1, 0, 1234)];
    const second = [resumed(2, 5, 1000), ...steps(2, 5, 1050, 1100)];
    expect(countRepeatedSteps([...first, ...second, resumed(3, 9, 1000), ...steps(3, 9, 1300)])).toBe(234 + 100);
  });

  test('counts all steps when there was no checkpoint', () => {
    expect(countRepeatedSteps([startedEvent(), ...steps(1, 0, 80), startedEvent({ attempt: 2 })])).toBe(80);
  });
});

describe('collectCurves', () => {
  test('thins out a long loss curve and keeps its first, last, lowest and highest point', () => {
    const logged = Array.from({ length: 30_000 }, (_, index) =>
      stepEvent({ iteration: index + 1, loss: index === 20_000 ? 99 : 1 + (index % 7), lr: index }),
    );
    const { loss } = collectCurves(RunRecord.of([startedEvent(), ...logged]));
    expect(loss.length).toBeLessThanOrEqual(12_000);
    expect([loss[0], loss.at(-1)].map((point) => point?.iteration)).toEqual([1, 30_000]);
    expect(loss).toContainEqual({ iteration: 20_001, loss: 99, lr: 20_000 });
  });

  test('drops steps that a later trainer repeats', () => {
    const events = [startedEvent(), ...steps(1, 0, 50, 100, 120), resumed(2, 5, 50), ...steps(2, 5, 100, 150)];
    expect(collectCurves(RunRecord.of(events)).loss.map(({ iteration, loss }) => [iteration, loss])).toEqual([
      [50, 1],
      [100, 2],
      [150, 2],
    ]);
  });

  test('keeps the last validation of an iteration', () => {
    const scores = (AP: number) => ({ AP, AP50: null, AP75: null, APs: null, APm: null, APl: null });
    const events = [0.1, 0.2].map((AP) => validationEvent({ iteration: 100, bbox: scores(AP), segm: scores(AP / 2) }));
    expect(collectCurves(RunRecord.of(events)).ap).toEqual([{ epoch: 1, iteration: 100, bbox: 0.2, segm: 0.1 }]);
  });
});
