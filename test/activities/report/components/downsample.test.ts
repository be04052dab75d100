import { expect, test } from 'vitest';
import { type CurvePoint, downsample } from '../../../../activities/report/components/downsample.ts';

const curve = (length: number, y: (x: number) => number | null): CurvePoint[] =>
  Array.from({ length }, (_, x) => ({ x, y: y(x) }));

test('downsample keeps a short curve', () => {
  const points = curve(600, (x) => x);
  expect(downsample(points, 600)).toEqual(points);
});

test('downsample keeps ends, order, spikes and gaps of a long curve', () => {
  const points = curve(10_000, (x) => (x === 4321 ? 99 : x === 8765 ? -99 : x === 7000 ? null : Math.sin(x)));
  const kept = downsample(points, 600);
  expect(kept.length).toBeLessThanOrEqual(600);
  expect([kept[0], kept.at(-1)]).toEqual([points[0], points.at(-1)]);
  expect(kept).toEqual([...kept].sort((a, b) => a.x - b.x));
  expect(kept).toEqual(expect.arrayContaining([points[4321], points[8765], points[7000]]));
});

test('downsample shortens flat and empty curves', () => {
  expect(
    downsample(
      curve(10_000, () => 1),
      600,
    ).length,
  ).toBeLessThanOrEqual(600);
  expect(
    downsample(
      curve(10_000, () => null),
      600,
    ).every(({ y }) => y === null),
  ).toBe(true);
});
