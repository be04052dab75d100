/** Point of a curve; a null breaks the line. */
export interface CurvePoint {
  readonly x: number;
  readonly y: number | null;
}

/**
 * Reduces a curve to at most `limit` points: the first, the last, and the minimum, maximum and first gap of each
 * interval between them, so that spikes and breaks stay visible.
 */
export function downsample(points: readonly CurvePoint[], limit: number): readonly CurvePoint[] {
  if (points.length <= limit) return points;
  const inner = points.slice(1, -1);
  const intervals = Math.max(1, Math.floor((limit - 2) / 3));
  const kept = Array.from({ length: intervals }, (_, index) =>
    keepExtremes(inner.slice(edge(index, intervals, inner.length), edge(index + 1, intervals, inner.length))),
  );
  return [...points.slice(0, 1), ...kept.flat(), ...points.slice(-1)];
}

const edge = (index: number, intervals: number, length: number): number => Math.floor((index * length) / intervals);

function keepExtremes(stretch: readonly CurvePoint[]): readonly CurvePoint[] {
  const measured = stretch.filter((point) => point.y !== null);
  const kept = new Set([
    stretch.find((point) => point.y === null),
    measured.reduce<CurvePoint | undefined>((low, point) => (isBelow(point, low) ? point : low), measured[0]),
    measured.reduce<CurvePoint | undefined>((high, point) => (isBelow(high, point) ? point : high), measured[0]),
  ]);
  return stretch.filter((point) => kept.has(point));
}

const isBelow = (a: CurvePoint | undefined, b: CurvePoint | undefined): boolean => (a?.y ?? 0) < (b?.y ?? 0);
