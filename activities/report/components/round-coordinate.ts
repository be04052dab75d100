/** Rounds a coordinate of an SVG to a tenth, which no eye sees and which keeps pages small. */
export const roundCoordinate = (value: number): number => Math.round(value * 10) / 10;
