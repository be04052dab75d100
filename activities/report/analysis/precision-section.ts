import { apKinds } from '../../shared/summary/coco-rows.ts';
import type { Analysis, PrecisionCurve } from '../../../configs/schema/index.ts';
import { renderFigure } from '../components/figure.ts';
import { markup } from '../components/markup.ts';
import type { Section } from '../components/section.ts';
import { formatNumber } from '../components/format-number.ts';
import type { Chart } from '../components/svg-chart.ts';

const overlaps = [
  ['iou50', 'IoU 0.50'],
  ['iou75', 'IoU 0.75'],
  ['mean', 'mean of 0.50 to 0.95'],
] as const;

/** Renders precision over recall, averaged over classes. */
export const renderPrecision = ({ curves }: Analysis): Section => ({
  id: 'precision',
  title: 'Precision and recall',
  body: markup`<div class="pair">${apKinds.map(({ key }) => renderFigure(chartPrecision(key, curves[key])))}</div>
<p class="note">Averaged over classes with ground truth. The area under a curve is the AP at that IoU. Where a curve drops to zero, no further objects are detected at any score threshold.</p>`,
});

const chartPrecision = (kind: 'bbox' | 'segm', curves: Analysis['curves']['bbox']): Chart => ({
  id: `precision-${kind}`,
  title: kind === 'bbox' ? 'Boxes' : 'Masks',
  description: overlaps.map(([key, name]) => formatCurve(name, curves[key])).join(' '),
  xLabel: 'recall',
  yLabel: 'precision',
  xScale: 'share',
  yScale: 'share',
  isHalf: true,
  series: overlaps.map(([key, name]) => ({
    name,
    points: (curves[key] ?? []).map((y, index) => ({ x: index / 100, y })),
  })),
  marks: [],
});

function formatCurve(name: string, curve: PrecisionCurve): string {
  if (curve === null) return `${name}: no ground truth.`;
  const at = (recall: number): string => formatNumber(Number((curve[recall] ?? 0).toFixed(3)));
  return `${name}: precision ${at(25)} at recall 0.25, ${at(50)} at 0.5, ${at(75)} at 0.75.`;
}
