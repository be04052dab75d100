import { formatVariantChanges, formatVariantState } from '../shared/summary/format-variant.ts';
import { formatPoints } from '../shared/summary/format-score.ts';
import type { Comparison, SweepInput, SweepReport, VariantStatus } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { compareRuns } from './compare-runs.ts';
import type { ComparedRun } from './load-run.ts';
import { formatDifference, isClear } from './format-difference.ts';

/** A finished variant: its run, or why it cannot be read. */
export type FinishedRun = ComparedRun | { whyNot: string };

/**
 * Which variant is best, and by how much. Pure.
 * @param finished what was found of each run that came to its end, by its name.
 * @throws CodedError NotComparable when none did.
 */
export function compareVariants(
  { name, variants: wanted, earlyStop }: SweepInput,
  variants: readonly VariantStatus[],
  finished: ReadonlyMap<string, FinishedRun>,
  createdAt: number,
): { report: SweepReport; runs: ComparedRun[] } {
  const ranked = rank(variants);
  if (ranked.length === 0) throw new CodedError('NotComparable', formatNoneFinished(variants));
  const runs = ranked.flatMap(({ runId }) => {
    const run = finished.get(runId);
    return run === undefined || 'whyNot' in run ? [] : [run];
  });
  const { comparison, refusal } = tryToCompare(runs, createdAt);
  const notCompared = ranked.flatMap(({ variant, runId }) => {
    const run = finished.get(runId);
    return run !== undefined && 'whyNot' in run ? [`${variant}: ${run.whyNot}`] : [];
  });
  // Runs that were tested on other images have scores, and no order.
  const [best, second] = refusal === undefined && ranked[0]?.result?.bboxAP != null ? ranked : [];
  const changes = new Map(wanted.map((one) => [one.name, formatVariantChanges(one.change)]));
  const report: SweepReport = {
    v: 1,
    name,
    createdAt,
    earlyStop: earlyStop ?? null,
    comparison,
    variants: variants.map((one) => ({ ...one, changes: changes.get(one.variant) ?? '' })),
    winner: best?.variant ?? null,
    verdict: [
      best === undefined ? 'There is no winner.' : formatWinner(best, second, comparison),
      ...variants.filter(isWorthSaying).map((one) => endSentence(`${one.variant}: ${formatVariantState(one)}`)),
    ],
    notCompared: [...notCompared, ...(refusal === undefined ? [] : [refusal])],
  };
  return { report, runs };
}

/** Those that have a final test, by its box AP, best first; of equals the one that was named first. */
const rank = (variants: readonly VariantStatus[]): VariantStatus[] =>
  variants.filter(({ result }) => result !== null).sort((a, b) => (b.result?.bboxAP ?? -1) - (a.result?.bboxAP ?? -1));

function tryToCompare(
  runs: readonly ComparedRun[],
  createdAt: number,
): { comparison: Comparison | null; refusal?: string } {
  if (runs.length < 2) return { comparison: null };
  try {
    return { comparison: compareRuns(runs, createdAt) };
  } catch (error) {
    if (error instanceof CodedError && error.code === 'NotComparable')
      return { comparison: null, refusal: error.message };
    throw error;
  }
}

/** The interval is that of the second against the winner: turned round, it is the winner's lead. */
function formatWinner(best: VariantStatus, second: VariantStatus | undefined, comparison: Comparison | null): string {
  const score = `box AP ${formatPoints(best.result?.bboxAP ?? 0)}`;
  if (second?.result?.bboxAP == null) return `${best.variant} wins with ${score}: no other variant has a result.`;
  // Each run is held against the first one: a best one that could not be read is not it.
  const isFirst = comparison?.runs[0]?.runId === best.runId;
  const place = comparison?.runs.findIndex(({ runId }) => runId === second.runId) ?? -1;
  const box = comparison?.metrics.find(({ kind, key }) => kind === 'bbox' && key === 'AP');
  const found = isFirst ? box?.differences[place - 1] : undefined;
  const by = (best.result?.bboxAP ?? 0) - second.result.bboxAP;
  const interval = found?.interval == null ? null : ([-found.interval[1], -found.interval[0]] as [number, number]);
  const lead = `${best.variant} wins with ${score}: ${formatDifference({ by, interval })} against ${second.variant}`;
  if (interval === null) return `${lead}. Whether another choice of test images could turn that around is not known.`;
  return isClear({ by, interval })
    ? `${lead}. The difference is clear.`
    : `${lead}. Another choice of test images could turn that around.`;
}

const endSentence = (text: string): string => (/[.…]$/.test(text) ? text : `${text}.`);

const isWorthSaying = ({ state, stoppedEarly }: VariantStatus): boolean => state !== 'done' || stoppedEarly !== null;

const formatNoneFinished = (variants: readonly VariantStatus[]): string =>
  ['No variant came to its end:', ...variants.map((one) => `- ${one.variant}: ${formatVariantState(one)}`)].join('\n');
