import type { CurvePoint } from './downsample.ts';

/** Replaces each value by the mean of the values within `reach` points on both sides. Gaps remain. */
export function movingMean(points: readonly CurvePoint[], reach: number): CurvePoint[] {
  const sums = [0];
  const counts = [0];
  for (const { y } of points) {
    sums.push((sums.at(-1) ?? 0) + (y ?? 0));
    counts.push((counts.at(-1) ?? 0) + (y === null ? 0 : 1));
  }
  return points.map(({ x, y }, index) => {
    const [from, to] = [Math.max(0, index - reach), Math.min(points.length, index + reach + 1)];
    const count = (counts[to] ?? 0) - (counts[from] ?? 0);
    return { x, y: y === null ? null : ((sums[to] ?? 0) - (sums[from] ?? 0)) / count };
  });
}
