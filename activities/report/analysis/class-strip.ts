/** Small charts for one row of the table of classes. */
import { formatAp, formatPoints, formatScore } from '../../shared/summary/format-score.ts';
import type { ClassAnalysis } from '../../../configs/schema/index.ts';
import { downsample } from '../components/downsample.ts';
import { type Markup, markup } from '../components/markup.ts';
import { roundCoordinate as round } from '../components/round-coordinate.ts';

const strip = { width: 160, height: 20 };
const lanes = [
  { kind: 'bbox', name: 'box', y: 6 },
  { kind: 'segm', name: 'mask', y: 14 },
] as const;

/** Draws AP from 0 to 1 as a dot and its interval as a line, box above mask. */
export const drawApStrip = (one: ClassAnalysis): Markup =>
  markup`<svg class="strip" viewBox="0 0 ${strip.width} ${strip.height}" role="img" aria-label="${formatScores(one)}"><title>${formatScores(one)}</title><path class="grid" d="M0 20V0M40 20V0M80 20V0M120 20V0M160 20V0"/>${lanes.map(
    ({ kind, y }, index) => {
      const { AP, interval } = one[kind];
      if (AP === null) return '';
      const line = interval ? markup`<path d="M${toX(interval[0])} ${y}H${toX(interval[1])}"/>` : '';
      return markup`<g class="s${index + 1}">${line}<circle cx="${toX(AP)}" cy="${y}" r="2.6"/></g>`;
    },
  )}</svg>`;

const formatScores = (one: ClassAnalysis): string =>
  lanes
    .map(({ kind, name }) => {
      const { AP, interval } = one[kind];
      const around = interval ? ` (95 %: ${formatPoints(interval[0])}–${formatPoints(interval[1])})` : '';
      return `${name} AP ${formatAp(AP)}${around}`;
    })
    .join(', ');

const spark = { width: 64, height: 24 };
const sparkPoints = 34;

/** Draws precision (y) over recall (x) at IoU 0.5. */
export function drawSpark(one: ClassAnalysis): Markup | string {
  if (one.bbox.curve === null && one.segm.curve === null) return '';
  const label = `Precision over recall at IoU 0.5; AP50 box ${formatScore(one.bbox.AP50)}, mask ${formatScore(one.segm.AP50)}`;
  return drawSharePath(
    label,
    lanes.map(({ kind }) => one[kind].curve ?? []),
  );
}

/** Draws curves of 101 values from 0 to 1. */
export const drawSharePath = (label: string, curves: readonly (readonly number[])[]): Markup =>
  markup`<svg class="spark" viewBox="0 0 ${spark.width} ${spark.height}" role="img" aria-label="${label}"><title>${label}</title><path class="grid" d="M0 0V${spark.height}H${spark.width}"/>${curves.map(
    (curve, index) => markup`<g class="s${index + 1}"><path d="${traceCurve(curve)}"/></g>`,
  )}</svg>`;

function traceCurve(curve: readonly number[]): string {
  const points = downsample(
    curve.map((y, x) => ({ x, y })),
    sparkPoints,
  );
  const places = points.map(({ x, y }) => `${round((x / 100) * spark.width)} ${round((1 - (y ?? 0)) * spark.height)}`);
  return places.length > 0 ? `M${places.join('L')}` : '';
}

const toX = (score: number): number => round(score * strip.width);
