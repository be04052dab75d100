/** Axis of a chart. `place` maps a value to its position between the ends (0..1). */
export interface Axis {
  readonly ticks: readonly number[];
  readonly place: (value: number) => number;
}

/** Returns an axis that starts and ends at a tick, in steps of 1, 2 or 5 times a power of ten, at least `leastStep`. */
export function linearAxis(values: readonly number[], options: { tickCount: number; leastStep: number }): Axis {
  const [low, high] = widen(values);
  const step = Math.max(niceStep((high - low) / options.tickCount), options.leastStep);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(Math.ceil(high / step - 1e-9), first + 1);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => cleanNumber((first + index) * step));
  return { ticks, place: (value) => (value / step - first) / (last - first) };
}

/** Returns an axis that ends at the lowest and highest value, without padding. */
export function tightAxis(values: readonly number[], options: { tickCount: number; leastStep: number }): Axis {
  const [low, high] = widen(values);
  const { ticks } = linearAxis(values, options);
  return {
    ticks: ticks.filter((tick) => tick >= low && tick <= high),
    place: (value) => (value - low) / (high - low),
  };
}

/** Returns a logarithmic axis; a short one also has ticks at 2 and 5. All values must be positive. */
export function logAxis(values: readonly number[]): Axis {
  const [low, high] = values.length > 0 ? [minimum(values), maximum(values)] : [1, 10];
  const first = Math.floor(Math.log10(low));
  const last = Math.max(Math.ceil(Math.log10(high)), first + 1);
  const factors = last - first <= 2 ? [1, 2, 5] : [1];
  const candidates = Array.from({ length: last - first + 1 }, (_, index) => first + index).flatMap((power) =>
    factors.map((factor) => cleanNumber(factor * 10 ** power)),
  );
  const bottom = candidates.findLast((tick) => tick <= low) ?? low;
  const top = candidates.find((tick) => tick >= high && tick > bottom) ?? high;
  const ticks = candidates.filter((tick) => tick >= bottom && tick <= top);
  return { ticks, place: (value) => Math.log(value / bottom) / Math.log(top / bottom) };
}

/** Returns whether values span more than a factor of twenty, where a log scale reads better. */
export const spansDecades = (values: readonly number[]): boolean =>
  values.length > 0 && minimum(values) > 0 && maximum(values) / minimum(values) > 20;

// Not Math.min(...values): a long run exceeds the maximum number of arguments.
export const minimum = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b), Infinity);
export const maximum = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b), -Infinity);
export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function widen(values: readonly number[]): readonly [number, number] {
  if (values.length === 0) return [0, 1];
  const [low, high] = [minimum(values), maximum(values)];
  if (low < high) return [low, high];
  const room = Math.abs(low) / 2 || 1;
  return [low - room, high + room];
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => rough / power <= candidate + 1e-9) ?? 10;
  return factor * power;
}

const cleanNumber = (value: number): number => Number(value.toPrecision(12));
