import { expect, test } from 'vitest';
import { formatUse } from '../../../../activities/report/sections/cost-section.ts';
import { formatHours, computeCost, roundHours } from '../../../../activities/report/sections/cost.ts';
import { sampleReport } from '../../../fixtures/sample-report.ts';
import { anAttempt } from '../../../helpers/stub-activities.ts';

const hour = 3600;
const { ledger, plan, metrics } = sampleReport();
const report = sampleReport({
  plan: { ...plan, gpus: 4 },
  metrics: { ...metrics, seconds: hour },
  ledger: {
    ...ledger,
    productiveSeconds: 6 * hour,
    lostSeconds: hour,
    evaluationSeconds: hour,
    pausedSeconds: 2 * hour,
    wallSeconds: 11 * hour,
    goodput: 6 / 8,
  },
});

test('computeCost counts the time for which the GPUs were held, without pauses', () => {
  const cost = computeCost(report);
  expect(Object.fromEntries(cost.parts.map(({ kind, deviceHours }) => [kind, deviceHours]))).toEqual({
    useful: 24,
    evaluation: 4,
    lost: 4,
    overhead: 4,
    test: 4,
  });
  expect(cost).toMatchObject({ device: 'GPU', deviceHours: 40, pausedSeconds: 2 * hour });
  expect(formatUse(cost)).toBe('60.0 % of them in retained steps; 4 GPU-hours of steps were lost to crashes');
});

test('computeCost counts fewer GPUs for attempts that had fewer', () => {
  const attempt = (leased: string[], startedAt: number, endedAt: number) =>
    anAttempt({ startedAt, endedAt, gpus: { leased, usable: leased, free: leased, failed: [], problems: [] } });
  const attempts = [attempt(['a', 'b', 'c', 'd'], 0, 3 * hour), attempt(['a', 'b'], 3 * hour, 9 * hour)];
  // 4 GPUs for a third of the time and 2 for the rest.
  const useful = computeCost({ ...report, attempts }).parts.find(({ kind }) => kind === 'useful');
  expect(useful?.deviceHours).toBeCloseTo(6 * (4 / 3 + 4 / 3));
});

test('formatUse reports an unknown useful share when steps were not counted', () => {
  expect(formatUse(computeCost({ ...report, ledger: { ...report.ledger, goodput: null } }))).toContain(
    'without step counts',
  );
});

test('formatHours names CPU-hours for a CPU run', () => {
  expect(formatHours(0.01812, computeCost({ ...report, environment: { device: 'cpu' } }).device)).toBe(
    '0.0181 CPU-hours',
  );
  expect([324.4, 1250, 1.256, 0].map(roundHours)).toEqual(['324', '1,250', '1.26', '0']);
});
