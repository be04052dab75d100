/** Point of a curve; a null breaks the line. */
export interface CurvePoint {
  readonly x: number;
  readonly y: number | null;
}

/**
 * Reduces a curve to at most `limit` points: the first, the last, and the minimum, maximum and first gap of each
 * interval between them, so that spikes and breaks stay visible.
 */
export const downsample = (points: readonly CurvePoint[], limit: number): readonly CurvePoint[] =>
  chooseSamples(points.length, (index) => points[index]?.y ?? null, limit).flatMap((index) => points[index] ?? []);

/** Returns the indices that `downsample` keeps of a curve with `count` values. */
export function chooseSamples(count: number, valueAt: (index: number) => number | null, limit: number): number[] {
  if (count <= limit) return Array.from({ length: count }, (_, index) => index);
  const intervals = Math.max(1, Math.floor((limit - 2) / 3));
  const edge = (interval: number): number => 1 + Math.floor((interval * (count - 2)) / intervals);
  const inner = Array.from({ length: intervals }, (_, interval) =>
    findExtremes(edge(interval), edge(interval + 1), valueAt),
  );
  return [0, ...inner.flat(), count - 1];
}

/** Returns the indices of minimum, maximum and first gap in [from, to), in ascending order. */
function findExtremes(from: number, to: number, valueAt: (index: number) => number | null): number[] {
  let [low, high, gap] = [-1, -1, -1];
  let [least, most] = [Infinity, -Infinity];
  for (let index = from; index < to; index += 1) {
    const value = valueAt(index);
    if (value === null) {
      if (gap === -1) gap = index;
      continue;
    }
    if (low === -1 || value < least) [low, least] = [index, value];
    if (high === -1 || value > most) [high, most] = [index, value];
  }
  return [...new Set([low, high, gap])].filter((index) => index !== -1).sort((a, b) => a - b);
}
