import { maximum, minimum } from '../../report/components/axis.ts';
import { downsample } from '../../report/components/downsample.ts';
import { markup, type Markup } from '../../report/components/markup.ts';
import { roundCoordinate } from '../../report/components/round-coordinate.ts';
import { formatPoints } from '../../shared/summary/format-score.ts';

const size = { width: 72, height: 22, margin: 3 };
const maxPoints = 40;

interface Validation {
  readonly epoch: number;
  readonly boxAP: number | null;
}

/** Draws box AP over epochs, from the lowest to the highest score, with a dot at the best epoch. */
export function drawSparkline(validations: readonly Validation[]): Markup | string {
  const scored = validations.flatMap(({ epoch, boxAP }) => (boxAP === null ? [] : [{ x: epoch, y: boxAP }]));
  const [first] = scored;
  if (first === undefined || scored.length < 2) return '';
  const best = scored.reduce((a, b) => (b.y > a.y ? b : a));
  const scores = scored.map(({ y }) => y);
  const epochs = scored.map(({ x }) => x);
  const toX = scaleTo(minimum(epochs), maximum(epochs), size.margin, size.width - size.margin);
  const toY = scaleTo(minimum(scores), maximum(scores), size.height - size.margin, size.margin);
  const places = downsample(scored, maxPoints).map(({ x, y }) => `${toX(x)} ${toY(y ?? 0)}`);
  const label = `Box AP from ${formatPoints(first.y)} after epoch ${first.x} to ${formatPoints(scored.at(-1)?.y ?? 0)}; best ${formatPoints(best.y)} after epoch ${best.x}`;
  return markup`<svg class="sparkline s1" viewBox="0 0 ${size.width} ${size.height}" role="img" aria-label="${label}"><title>${label}</title><path d="M${places.join('L')}"/><circle cx="${toX(best.x)}" cy="${toY(best.y)}" r="2.4"/></svg>`;
}

const scaleTo = (low: number, high: number, from: number, to: number) => (value: number) =>
  roundCoordinate(from + ((to - from) * (value - low)) / (high - low || 1));
