const plain = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 6 });

/** A value on an axis or beside a curve: `2,500`, `0.05`, and `1e-5` where zeros would have to be counted. */
export function formatNumber(value: number): string {
  if (value === 0 || (Math.abs(value) >= 0.001 && Math.abs(value) < 1e9)) return plain.format(value);
  return Number(value.toPrecision(4)).toExponential().replace('e+', 'e');
}
