import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import {
  formatDifference,
  formatPoints,
  formatScore,
  pointsAbove,
} from '../../../../activities/shared/summary/format-score.ts';

test('formatScore rounds as Python does, including ties', () => {
  const scores = Array.from({ length: 2001 }, (_, index) => index / 2000).concat(
    Array.from({ length: 33 }, (_, index) => index / 32),
  );
  const program = 'import json,sys; print("\\n".join("{:.3f}".format(x) for x in json.load(sys.stdin)))';
  const printed = execFileSync('python3', ['-c', program], { input: JSON.stringify(scores), encoding: 'utf8' });
  expect(scores.map(formatScore)).toEqual(printed.trimEnd().split('\n'));
});

test('a missing score is formatted as a dash', () => {
  expect([formatScore(null), formatScore(undefined), formatDifference(undefined)]).toEqual(['–', '–', '–']);
  expect([pointsAbove(null, 0.5), pointsAbove(0.5, undefined)]).toEqual([undefined, undefined]);
});

test('points and differences have one decimal and a true minus sign', () => {
  expect(formatPoints(0.508)).toBe('50.8');
  const differences = [pointsAbove(0.508, 0.518), pointsAbove(0.45, 0.447), pointsAbove(0.5, 0.5)];
  expect(differences.map(formatDifference)).toEqual(['−1.0', '+0.3', '0.0']);
});
