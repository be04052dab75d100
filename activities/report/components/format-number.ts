const plain = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 6 });

/** Formats a value of a chart: `2,500`, `0.05`, or `1e-5` if there are many zeros. */
export function formatNumber(value: number): string {
  if (value === 0 || (Math.abs(value) >= 0.001 && Math.abs(value) < 1e9)) return plain.format(value);
  return Number(value.toPrecision(4)).toExponential().replace('e+', 'e');
}
