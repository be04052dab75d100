import { formatVariantChanges, formatVariantState } from '../shared/summary/format-variant.ts';
import { formatPoints } from '../shared/summary/format-score.ts';
import type { Comparison, SweepInput, SweepReport, VariantStatus } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { compareRuns } from './compare-runs.ts';
import type { ComparedRun } from './load-run.ts';
import { formatDifference, isClear } from './format-difference.ts';

/** Run of a finished variant, or the reason why the run cannot be read. */
export type FinishedRun = ComparedRun | { error: string };

/**
 * Ranks the variants of a sweep and compares their runs. Pure.
 * @param finished finished runs by run ID.
 * @throws CodedError NotComparable if no variant finished.
 */
export function compareVariants(
  { name, variants: planned, earlyStop }: SweepInput,
  variants: readonly VariantStatus[],
  finished: ReadonlyMap<string, FinishedRun>,
  createdAt: number,
): { report: SweepReport; runs: ComparedRun[] } {
  const ranked = rank(variants);
  if (ranked.length === 0) throw new CodedError('NotComparable', formatNoneFinished(variants));
  const runs = ranked.flatMap(({ runId }) => {
    const run = finished.get(runId);
    return run === undefined || 'error' in run ? [] : [run];
  });
  const { comparison, reason } = compareIfPossible(runs, createdAt);
  const notCompared = ranked.flatMap(({ variant, runId }) => {
    const run = finished.get(runId);
    return run !== undefined && 'error' in run ? [`${variant}: ${run.error}`] : [];
  });
  // Runs that were tested on different images cannot be ranked.
  const [best, second] = reason === undefined && ranked[0]?.result?.bboxAP != null ? ranked : [];
  const changes = new Map(planned.map((one) => [one.name, formatVariantChanges(one.change)]));
  const report: SweepReport = {
    v: 1,
    name,
    createdAt,
    earlyStop: earlyStop ?? null,
    comparison,
    variants: variants.map((one) => ({ ...one, changes: changes.get(one.variant) ?? '' })),
    winner: best?.variant ?? null,
    verdict: [
      best === undefined ? 'No winner.' : formatWinner(best, second, comparison),
      ...variants.filter(isNotable).map((one) => endSentence(`${one.variant}: ${formatVariantState(one)}`)),
    ],
    notCompared: [...notCompared, ...(reason === undefined ? [] : [reason])],
  };
  return { report, runs };
}

/** Sorts tested variants by box AP, best first. Ties keep their order. */
const rank = (variants: readonly VariantStatus[]): VariantStatus[] =>
  variants.filter(({ result }) => result !== null).sort((a, b) => (b.result?.bboxAP ?? -1) - (a.result?.bboxAP ?? -1));

function compareIfPossible(
  runs: readonly ComparedRun[],
  createdAt: number,
): { comparison: Comparison | null; reason?: string } {
  if (runs.length < 2) return { comparison: null };
  try {
    return { comparison: compareRuns(runs, createdAt) };
  } catch (error) {
    if (error instanceof CodedError && error.code === 'NotComparable')
      return { comparison: null, reason: error.message };
    throw error;
  }
}

/** Formats the winner and its lead, whose interval is the negated interval of the second run. */
function formatWinner(best: VariantStatus, second: VariantStatus | undefined, comparison: Comparison | null): string {
  const score = `box AP ${formatPoints(best.result?.bboxAP ?? 0)}`;
  if (second?.result?.bboxAP == null) return `${best.variant} wins with ${score}. No other variant has a result.`;
  // Runs are compared with the first one that can be read, which may not be the best one.
  const isFirst = comparison?.runs[0]?.runId === best.runId;
  const place = comparison?.runs.findIndex(({ runId }) => runId === second.runId) ?? -1;
  const box = comparison?.metrics.find(({ kind, key }) => kind === 'bbox' && key === 'AP');
  const found = isFirst ? box?.differences[place - 1] : undefined;
  const by = (best.result?.bboxAP ?? 0) - second.result.bboxAP;
  const interval = found?.interval == null ? null : ([-found.interval[1], -found.interval[0]] as [number, number]);
  const lead = `${best.variant} wins with ${score}: ${formatDifference({ by, interval })} compared with ${second.variant}`;
  if (interval === null) return `${lead}. The significance of the difference is unknown.`;
  return isClear({ by, interval })
    ? `${lead}. The difference is significant.`
    : `${lead}. The difference is not significant.`;
}

const endSentence = (text: string): string => (/[.…]$/.test(text) ? text : `${text}.`);

const isNotable = ({ state, stoppedEarly }: VariantStatus): boolean => state !== 'done' || stoppedEarly !== null;

const formatNoneFinished = (variants: readonly VariantStatus[]): string =>
  ['No variant finished:', ...variants.map((one) => `- ${one.variant}: ${formatVariantState(one)}`)].join('\n');
