/** Computes the device-hours of a run and their useful share. */
import type { Report } from '../../../configs/schema/index.ts';

interface CostPart {
  readonly kind: 'useful' | 'evaluation' | 'lost' | 'overhead' | 'test';
  readonly name: string;
  readonly seconds: number;
  readonly deviceHours: number;
}

export interface Cost {
  /** `CPU` if the run used no GPU. */
  readonly device: 'GPU' | 'CPU';
  readonly parts: readonly CostPart[];
  readonly deviceHours: number;
  /** Pauses by the operator, which release the devices. */
  readonly pausedSeconds: number;
  /** False if the trainer reported no steps. */
  readonly isCounted: boolean;
}

/** Multiplies durations by the number of devices, which a run holds while it trains or tests. */
export function computeCost(report: Report): Cost {
  const { plan, environment, ledger, metrics } = report;
  const { productiveSeconds, evaluationSeconds, lostSeconds, pausedSeconds, wallSeconds } = ledger;
  const known = productiveSeconds + evaluationSeconds + lostSeconds;
  const seconds: [CostPart['kind'], string, number][] = [
    ['useful', 'retained steps', productiveSeconds],
    ['evaluation', 'validation', evaluationSeconds],
    ['lost', 'steps lost to crashes', lostSeconds],
    [
      'overhead',
      'overhead: startup, checkpoints, failure detection, recovery, waiting',
      Math.max(0, wallSeconds - pausedSeconds - known),
    ],
    ['test', 'test', metrics.seconds],
  ];
  const parts = seconds.map(([kind, name, duration]) => ({
    kind,
    name,
    seconds: duration,
    deviceHours: (duration * (kind === 'test' ? plan.gpus : meanGpus(report))) / 3600,
  }));
  return {
    device: environment['device'] === 'cpu' ? 'CPU' : 'GPU',
    parts,
    deviceHours: parts.reduce((sum, part) => sum + part.deviceHours, 0),
    pausedSeconds,
    isCounted: ledger.goodput !== null,
  };
}

/** Returns the mean number of GPUs over the time of all attempts; fewer than planned if GPUs have failed. */
function meanGpus({ plan, attempts }: Report): number {
  const spans = attempts.map(({ gpus, startedAt, endedAt }) => ({
    held: gpus === undefined || gpus.leased.length === 0 ? plan.gpus : gpus.leased.length,
    seconds: endedAt - startedAt,
  }));
  const total = spans.reduce((sum, { seconds }) => sum + seconds, 0);
  return total === 0 ? plan.gpus : spans.reduce((sum, { held, seconds }) => sum + held * seconds, 0) / total;
}

/** Formats device-hours, such as `324 GPU-hours` or `0.018 CPU-hours`. */
export const formatHours = (deviceHours: number, device: Cost['device']): string =>
  `${roundHours(deviceHours)} ${device}-hours`;

/** Rounds hours to three significant digits, such as `324`, `1.25` or `0.018`. */
export const roundHours = (hours: number): string =>
  hours >= 100 ? Math.round(hours).toLocaleString('en-US') : String(Number(hours.toPrecision(3)));
