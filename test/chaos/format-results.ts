/** Formats the output of the chaos commands: a line per run and a table by target. */
import type { Reference } from './oracle.ts';
import { formatAction, type Fault } from './fault-plan.ts';
import type { RunResult } from './run.ts';

export function formatRun({
  name,
  seconds,
  faults,
  injected,
  costs,
  stepsRepeated,
  violations: complaints,
}: RunResult): string {
  const hits = injected.map(({ fault }, index) => {
    const { stepsLost = null, recoverySeconds = null } = costs[index] ?? {};
    const lost = stepsLost === null ? '' : `, ${stepsLost} steps lost`;
    const recovery = recoverySeconds === null ? '' : `, back after ${recoverySeconds.toFixed(1)} s`;
    return `${formatFault(fault)}${lost}${recovery}`;
  });
  const missed = faults.length - injected.length;
  return [
    `${complaints.length === 0 ? 'ok    ' : 'FAILED'} ${name} ${seconds.toFixed(1)} s, ${stepsRepeated} steps repeated`,
    [...hits, ...(missed > 0 ? [`${missed} not injected`] : [])].join('; '),
    ...complaints.map((complaint) => `\n       ${complaint}`),
  ].join('  ');
}

export function formatFault({ action, moment }: Fault): string {
  const who =
    action.kind === 'kill' ? formatAction(action) : `${formatAction(action)} for ${action.seconds.toFixed(1)} s`;
  switch (moment.at) {
    case 'time':
      return `${who} after ${moment.seconds.toFixed(2)} s`;
    case 'change':
      return `${who} at ${moment.path}`;
    case 'point':
      return `${who} at ${moment.job} ${moment.point} #${moment.nth}`;
    default:
      return moment satisfies never;
  }
}

export interface TargetSummary {
  target: string;
  faults: number;
  runs: number;
  passed: number;
  stepsLost: { mean: number | null; max: number | null };
  recoverySeconds: { p50: number | null; p95: number | null; max: number | null };
  /** Duration of runs beyond that of the undisturbed run. */
  extraSeconds: { p50: number | null; p95: number | null };
}

/** Summarizes by target; a run counts for each target that was killed in it. */
export function summarize(results: RunResult[], reference: Reference): TargetSummary[] {
  const hitBy = (target: string) =>
    results.filter(({ injected }) => injected.some(({ fault }) => formatAction(fault.action) === target));
  const found = [
    ...new Set(results.flatMap(({ injected }) => injected.map(({ fault }) => formatAction(fault.action)))),
  ].sort();
  const summary = (target: string, runs: RunResult[], counts: (fault: Fault) => boolean): TargetSummary => {
    const hits = runs.flatMap(({ injected, costs }) =>
      injected.flatMap(({ fault }, index) => (counts(fault) ? [costs[index]] : [])),
    );
    const lost = sorted(hits.map((cost) => cost?.stepsLost));
    const recovery = sorted(hits.map((cost) => cost?.recoverySeconds));
    const extra = sorted(runs.map(({ seconds }) => seconds - reference.seconds));
    return {
      target,
      faults: hits.length,
      runs: runs.length,
      passed: runs.filter(({ violations: complaints }) => complaints.length === 0).length,
      stepsLost: { mean: mean(lost), max: lost.at(-1) ?? null },
      recoverySeconds: { p50: quantile(recovery, 0.5), p95: quantile(recovery, 0.95), max: recovery.at(-1) ?? null },
      extraSeconds: { p50: quantile(extra, 0.5), p95: quantile(extra, 0.95) },
    };
  };
  return [
    ...found.map((target) => summary(target, hitBy(target), (fault) => formatAction(fault.action) === target)),
    summary('all', results, () => true),
  ];
}

export function formatTable(summaries: TargetSummary[]): string {
  const head = [
    'target',
    'faults',
    'runs',
    'passed',
    'steps lost',
    '(max)',
    'recovery p50',
    'p95',
    'max',
    'extra p50',
    'p95',
  ];
  const rows = summaries.map(({ target, faults, runs, passed, stepsLost, recoverySeconds: r, extraSeconds: e }) => [
    ...[target, String(faults), String(runs), String(passed)],
    ...[stepsLost.mean, stepsLost.max, r.p50, r.p95, r.max, e.p50, e.p95].map((one) => one?.toFixed(1) ?? '-'),
  ]);
  const widths = head.map((title, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0), title.length),
  );
  const formatRow = (row: string[]) => row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  ');
  return [head, ...rows].map(formatRow).join('\n');
}

const sorted = (values: (number | null | undefined)[]): number[] =>
  values.filter((value) => typeof value === 'number').sort((a, b) => a - b);

const mean = (values: number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;

/** Returns the quantile by nearest rank, which is a measured value. */
const quantile = (values: number[], share: number): number | null =>
  values[Math.max(0, Math.ceil(share * values.length) - 1)] ?? null;
