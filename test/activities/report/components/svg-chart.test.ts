import { describe, expect, test } from 'vitest';
import type { CurvePoint } from '../../../../activities/report/components/downsample.ts';
import { type Chart, drawChart } from '../../../../activities/report/components/svg-chart.ts';
import { findTagErrors } from '../tag-errors.ts';

const draw = (points: CurvePoint[], over: Partial<Chart> = {}): string =>
  drawChart({
    id: 'loss',
    title: 'Training loss',
    description: 'It falls.',
    xLabel: 'iteration',
    yLabel: 'loss',
    yScale: 'linear-from-zero',
    series: [{ name: 'loss', points }],
    marks: [],
    ...over,
  }).toString();
const linePath = (svg: string): string => /<g class="series s1"><path[^>]* d="([^"]*)"/.exec(svg)?.[1] ?? 'no line';
const curve = (length: number): CurvePoint[] => Array.from({ length }, (_, x) => ({ x, y: 1 + Math.abs(Math.sin(x)) }));

describe.each(['linear', 'log', 'linear-from-zero'] as const)('on a %s scale', (yScale) => {
  test.each([0, 1, 2, 10_000])('a curve of %i points is sound SVG without NaN', (length) => {
    const svg = draw(curve(length), { yScale, marks: [{ x: 1, kind: 'stop', what: 'it fell over' }] });
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(findTagErrors(svg)).toEqual([]);
    expect(svg.length).toBeLessThan(80_000);
  });

  test('turns values that cannot be drawn into gaps', () => {
    const points = [1, null, Number.NaN, Infinity, 2].map((y, x) => ({ x, y }));
    const svg = draw(points, { yScale });
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(linePath(svg).match(/M/g)).toHaveLength(2);
  });
});

test('drawChart reports a chart without points', () => {
  expect(draw([])).toContain('no data');
  expect(draw(curve(2))).not.toContain('no data');
});

test('drawChart draws a long curve with at most 600 points', () => {
  expect(linePath(draw(curve(10_000))).match(/[ML]/g)?.length).toBeLessThanOrEqual(600);
});

test('drawChart draws a single value as a dot', () => {
  expect(linePath(draw(curve(1)))).toMatch(/^M[\d.]+ [\d.]+h0$/);
});

test('drawChart has a title, a description, and values on hover', () => {
  const svg = draw(curve(1));
  expect(svg).toContain('role="img" aria-labelledby="loss-title loss-description"');
  expect(svg).toContain('<title id="loss-title">Training loss</title>');
  expect(svg).toContain('<desc id="loss-description">It falls.</desc>');
  expect(svg).toContain('<title>iteration 0: loss 1</title>');
});

test('drawChart shows values of two curves at one x together', () => {
  const series = [
    { name: 'box AP', points: [{ x: 3, y: 47.1 }] },
    { name: 'mask AP', points: [{ x: 3, y: null }] },
  ];
  expect(draw([], { xLabel: 'epoch', series })).toContain('<title>epoch 3: box AP 47.1, mask AP none</title>');
});

test('drawChart labels its marks', () => {
  const svg = draw(curve(3), { marks: [{ x: 1, kind: 'stop', what: 'Crashed at iteration 1: <oom>' }] });
  expect(svg).toContain('<g class="mark stop">');
  expect(svg).toContain('<title>Crashed at iteration 1: &lt;oom&gt;</title>');
});

test('drawChart draws a labeled reference line across the plot', () => {
  const svg = draw(curve(3), { levels: [{ y: 10, name: 'the paper: 10', side: 'above' }] });
  expect(svg).toMatch(/<g class="level"><path d="M62 [\d.]+H700"\/><text[^>]*>the paper: 10<\/text>/);
  expect(svg).toContain('>10</text>');
});

test('drawChart scales shares from 0 to 1 on both axes', () => {
  const svg = draw([{ x: 0.2, y: 0.3 }], { xScale: 'share', yScale: 'share', isHalf: true });
  expect(svg).toContain('viewBox="0 0 460 290"');
  expect([...svg.matchAll(/<text class="tick"[^>]*>(.*?)<\/text>/g)].map(([, tick]) => tick)).toEqual([
    ...['0', '0.2', '0.4', '0.6', '0.8', '1'],
    ...['0', '0.2', '0.4', '0.6', '0.8', '1'],
  ]);
});
