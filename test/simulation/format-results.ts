/** Formats the results of simulations for the terminal. */
import type { ScheduledEvent } from './scenario.ts';
import type { DefectResult } from './defects.ts';
import type { SimulationResult } from './simulation.ts';
import type { FailedSeed, Summary } from './summary.ts';

export function formatEvent(event: ScheduledEvent): string {
  const { kind, ...details } = 'fault' in event ? event.fault : event.action;
  const parts = Object.entries(details).map(
    ([name, value]) => `${name} ${typeof value === 'number' ? Math.round(value) : value}`,
  );
  return `${String(event.id).padStart(3)} ${formatMoment(event)}: ${[kind, ...parts].join(', ')}`;
}

function formatMoment({ atMs, after }: ScheduledEvent): string {
  const time = `${(atMs / 1000).toFixed(1)} s`;
  return after === undefined ? `at ${time}` : `${time} after ${after.milestone} ${after.count}`;
}

/** Formats a violation with its shortest schedule and the command that repeats it. */
export const formatFailure = ({ seed, oracle, text, planned, events }: FailedSeed): string =>
  [
    `seed ${seed} violates "${oracle}": ${text}`,
    `  shortest schedule (${events.length} of ${planned} events):`,
    ...events.map((event) => `  ${formatEvent(event)}`),
    `  repeat: ${repeatCommand(seed, events)}`,
  ].join('\n');

const repeatCommand = (seed: number, events: readonly ScheduledEvent[]): string =>
  `everswin simulate --seed ${seed} --only ${events.length === 0 ? 0 : events.map(({ id }) => id).join(',')} --trace`;

export function formatSummary(
  { seeds, events, virtualSeconds, cpuSeconds, counts, failures }: Summary,
  seconds: number,
): string {
  const perSeed = (1000 * cpuSeconds) / Math.max(1, seeds);
  return [
    `${seeds} seeds, ${failures.length} violations`,
    `${events} events, ${(virtualSeconds / 3600).toFixed(1)} simulated hours, ${cpuSeconds.toFixed(0)} CPU seconds (${perSeed.toFixed(1)} ms per seed), ${seconds.toFixed(0)} s`,
    ...Object.entries(counts)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, count]) => `${String(count).padStart(9)}  ${name}`),
  ].join('\n');
}

/** Formats the end of one simulation. */
export const formatResult = ({
  seed,
  endings,
  virtualSeconds,
  events,
  traceHash,
  violation,
}: SimulationResult): string =>
  [
    `seed ${seed}: ${endings.join(', ')}, ${virtualSeconds.toFixed(1)} s, ${events} events, trace ${traceHash}`,
    ...(violation === undefined ? [] : [`violates "${violation.oracle}": ${violation.text}`]),
  ].join('\n');

/** Formats the hunt for a planted defect as a row of the table in test/bench/README.md. */
export function formatDefect({ name, title, seeds, failure }: DefectResult): string {
  if (failure === undefined) return `| ${name} | ${title} | not found | | |`;
  const schedule = failure.events.map((event) => ('fault' in event ? event.fault.kind : event.action.kind));
  return `| ${name} | ${title} | ${seeds} | ${failure.oracle} | ${schedule.length}: ${schedule.join(', ')} |`;
}
