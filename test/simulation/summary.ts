/** Totals of many simulations. */
import type { OracleName } from './oracles.ts';
import type { ScheduledEvent } from './scenario.ts';
import type { SimulationResult } from './simulation.ts';

/** A seed that violated an oracle, with the shortest schedule that still does. */
export interface FailedSeed {
  seed: number;
  oracle: OracleName;
  text: string;
  /** Number of faults and requests before shrinking. */
  planned: number;
  events: ScheduledEvent[];
}

export interface Summary {
  seeds: number;
  /** Events of the virtual clock. */
  events: number;
  virtualSeconds: number;
  cpuSeconds: number;
  /** Counts by name: endings of workflows, injected faults, replays and so on. */
  counts: Record<string, number>;
  failures: FailedSeed[];
}

export const emptySummary: Summary = {
  seeds: 0,
  events: 0,
  virtualSeconds: 0,
  cpuSeconds: 0,
  counts: {},
  failures: [],
};

export function summarize(
  results: readonly SimulationResult[],
): Pick<Summary, 'seeds' | 'events' | 'virtualSeconds' | 'counts'> {
  let counts: Record<string, number> = {};
  for (const result of results) counts = addCounts(counts, result.counts);
  return {
    seeds: results.length,
    events: results.reduce((sum, { events }) => sum + events, 0),
    virtualSeconds: results.reduce((sum, { virtualSeconds }) => sum + virtualSeconds, 0),
    counts,
  };
}

export const addSummaries = (a: Summary, b: Summary): Summary => ({
  seeds: a.seeds + b.seeds,
  events: a.events + b.events,
  virtualSeconds: a.virtualSeconds + b.virtualSeconds,
  cpuSeconds: a.cpuSeconds + b.cpuSeconds,
  counts: addCounts(a.counts, b.counts),
  failures: [...a.failures, ...b.failures].sort((one, other) => one.seed - other.seed),
});

function addCounts(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  const sum = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
