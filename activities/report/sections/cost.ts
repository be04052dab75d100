/** What a run cost, and what of that became the model. */
import type { Report } from '../../../configs/schema/index.ts';

interface CostPart {
  readonly kind: 'useful' | 'evaluation' | 'lost' | 'around' | 'test';
  readonly name: string;
  readonly seconds: number;
  readonly deviceHours: number;
}

export interface Cost {
  /** `GPU`; `CPU` where the run had none. */
  readonly device: 'GPU' | 'CPU';
  readonly parts: readonly CostPart[];
  readonly deviceHours: number;
  /** A person had the training paused: the devices were free. */
  readonly pausedSeconds: number;
  /** Whether anybody counted the steps. */
  readonly isCounted: boolean;
}

/** Device-hours = time x the devices of the plan, which a run holds as long as it trains or tests. */
export function computeCost({ plan, environment, ledger, metrics }: Report): Cost {
  const { productiveSeconds, evaluationSeconds, lostSeconds, pausedSeconds, wallSeconds } = ledger;
  const known = productiveSeconds + evaluationSeconds + lostSeconds;
  const seconds: [CostPart['kind'], string, number][] = [
    ['useful', 'steps that lasted', productiveSeconds],
    ['evaluation', 'validation', evaluationSeconds],
    ['lost', 'steps that a crash took back', lostSeconds],
    ['around', 'starting, saving, noticing, recovering, waiting', Math.max(0, wallSeconds - pausedSeconds - known)],
    ['test', 'test', metrics.seconds],
  ];
  const parts = seconds.map(([kind, name, lasted]) => ({
    kind,
    name,
    seconds: lasted,
    deviceHours: (lasted * plan.gpus) / 3600,
  }));
  return {
    device: environment['device'] === 'cpu' ? 'CPU' : 'GPU',
    parts,
    deviceHours: parts.reduce((sum, part) => sum + part.deviceHours, 0),
    pausedSeconds,
    isCounted: ledger.goodput !== null,
  };
}

/** `324 GPU-hours`, `0.018 CPU-hours` */
export const formatHours = (deviceHours: number, device: Cost['device']): string =>
  `${roundHours(deviceHours)} ${device}-hours`;

/** Three digits where they say something: `324`, `1.25`, `0.018`. */
export const roundHours = (hours: number): string =>
  hours >= 100 ? Math.round(hours).toLocaleString('en-US') : String(Number(hours.toPrecision(3)));
