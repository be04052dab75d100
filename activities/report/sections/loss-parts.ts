/** Parts of the training loss: reads them from progress.jsonl and draws them by stage of the detector. */
import type { Report, TrainerEvent } from '../../../configs/schema/index.ts';
import { ProgressReader } from '../../shared/run/progress-reader.ts';
import { type RunRecord, toNullable } from '../../shared/run/run-record.ts';
import { renderFigure } from '../components/figure.ts';
import { type Markup, markup } from '../components/markup.ts';
import type { Chart } from '../components/svg-chart.ts';

type LossParts = NonNullable<Report['curves']['parts']>;

const maxPoints = 200;
/** Number of line colors. */
const maxLines = 5;

/** Means of the parts over at most 200 equal stretches of the training, without steps that a restart discarded. */
export class LossPartsMeans {
  readonly #kept: ReadonlyMap<number, number>;
  readonly #last: number;
  readonly #sums = new Map<string, { sum: Float64Array; count: Float64Array }>();

  /** @param steps steps that no later trainer repeated. */
  constructor({ iteration, t }: RunRecord['steps']) {
    this.#kept = new Map(iteration.map((one, index) => [one, t[index] ?? 0]));
    this.#last = iteration.at(-1) ?? 0;
  }

  add(event: TrainerEvent): void {
    if (event.type !== 'step') return;
    const { iteration, t, losses } = event;
    if (this.#kept.get(iteration) !== t) return;
    const place = this.#placeOf(iteration);
    for (const [name, value] of Object.entries(losses)) {
      if (value === null || !name.includes('loss')) continue;
      const { sum, count } = this.#columnOf(name);
      sum[place] = (sum[place] ?? 0) + value;
      count[place] = (count[place] ?? 0) + 1;
    }
  }

  /** @returns undefined if no part was recorded. */
  result(): LossParts | undefined {
    if (this.#sums.size === 0) return undefined;
    const places = [...new Set([...this.#kept.keys()].map((one) => this.#placeOf(one)))].sort((a, b) => a - b);
    return {
      iterations: places.map((place) => Math.round(((place + 1) * this.#last) / maxPoints)),
      losses: Object.fromEntries(
        [...this.#sums].map(([name, { sum, count }]) => [
          name,
          places.map((place) => roundPart(toNullable((sum[place] ?? 0) / (count[place] ?? 0)))),
        ]),
      ),
    };
  }

  #placeOf(iteration: number): number {
    return Math.min(maxPoints - 1, Math.floor((iteration * maxPoints) / (this.#last + 1)));
  }

  #columnOf(name: string): { sum: Float64Array; count: Float64Array } {
    const known = this.#sums.get(name);
    if (known !== undefined) return known;
    const created = { sum: new Float64Array(maxPoints), count: new Float64Array(maxPoints) };
    this.#sums.set(name, created);
    return created;
  }
}

/** Reads the parts of the loss from progress.jsonl, of which the record keeps only the total. */
export async function readLossParts(path: string, { steps }: RunRecord): Promise<LossParts | undefined> {
  const means = new LossPartsMeans(steps);
  await new ProgressReader(path).readNew((events) => {
    for (const event of events) means.add(event);
  });
  return means.result();
}

/** Renders a chart per kind of loss, with a line per stage; nothing if no part was recorded. */
export function renderLossParts(parts: LossParts | undefined): Markup | string {
  if (parts === undefined) return '';
  const groups = new Map<string, string[]>();
  for (const name of Object.keys(parts.losses).sort()) {
    const { kind } = parsePart(name);
    groups.set(kind, [...(groups.get(kind) ?? []), name]);
  }
  return markup`<h3>Parts of the loss by stage</h3><div class="pair">${[...groups].map(([kind, names]) =>
    renderFigure(chartParts(kind, names.slice(0, maxLines), parts)),
  )}</div>`;
}

function chartParts(kind: string, names: readonly string[], { iterations, losses }: LossParts): Chart {
  const title = kindNames[kind] ?? `Loss: ${kind}`;
  return {
    id: `loss-${kind}`,
    title,
    description: `${title} of ${names.map((name) => parsePart(name).stage).join(', ')} over the training.`,
    xLabel: 'iteration',
    yLabel: 'loss',
    yScale: 'linear-from-zero',
    isHalf: true,
    marks: [],
    series: names.map((name) => ({
      name: parsePart(name).stage,
      points: (losses[name] ?? []).map((y, index) => ({ x: iterations[index] ?? 0, y })),
    })),
  };
}

const kindNames: Record<string, string> = { cls: 'Classification loss', bbox: 'Box loss', mask: 'Mask loss' };

/** Splits MMDetection's name of a loss: `s0.loss_cls` is the classification loss of the first stage. */
export function parsePart(name: string): { stage: string; kind: string } {
  const [, stage, isRpn, kind = name] = /^(?:s(\d+)\.)?loss_(rpn_)?(\w+)$/.exec(name) ?? [];
  if (isRpn !== undefined) return { stage: 'RPN', kind };
  return { stage: stage === undefined ? 'head' : `stage ${Number(stage) + 1}`, kind };
}

const roundPart = (value: number | null): number | null => (value === null ? null : Number(value.toPrecision(5)));
