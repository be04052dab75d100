/** Which variants of a sweep are clearly worse: pure, so that history explains every stop. */
import { formatPoints } from '../../activities/shared/summary/format-score.ts';
import type { EarlyStopRule, VariantScore, VariantStatus } from '../../configs/schema/index.ts';

interface Laggard {
  variant: string;
  runId: string;
  /** Numbers and rule. */
  why: string;
}

type Scored = Pick<VariantStatus, 'variant' | 'runId' | 'state' | 'scores' | 'stoppedEarly'>;

/** Each running variant is judged by its newest epoch that another one has validated too. */
export function findLaggards(rule: EarlyStopRule, variants: readonly Scored[]): Laggard[] {
  return variants.flatMap((one) => {
    if (one.state !== 'running' || one.stoppedEarly !== null) return [];
    const others = variants.filter((other) => other !== one);
    const newest = one.scores.findLast(({ epoch }) => others.some(({ scores }) => scoreAt(scores, epoch) !== null));
    if (newest === undefined || newest.epoch < rule.afterEpoch || newest.bboxAP === null) return [];
    const best = bestAt(others, newest.epoch);
    if (best === undefined || (best.bboxAP - newest.bboxAP) * 100 <= rule.pointsBehind) return [];
    return [{ variant: one.variant, runId: one.runId, why: explain(rule, newest.epoch, newest.bboxAP, best) }];
  });
}

interface Best {
  variant: string;
  bboxAP: number;
}

function bestAt(variants: readonly Scored[], epoch: number): Best | undefined {
  return variants
    .flatMap(({ variant, scores }) => {
      const bboxAP = scoreAt(scores, epoch);
      return bboxAP === null ? [] : [{ variant, bboxAP }];
    })
    .sort((a, b) => b.bboxAP - a.bboxAP)[0];
}

const scoreAt = (scores: readonly VariantScore[], epoch: number): number | null =>
  scores.find((one) => one.epoch === epoch)?.bboxAP ?? null;

const explain = ({ afterEpoch, pointsBehind }: EarlyStopRule, epoch: number, score: number, best: Best): string =>
  `its box AP at epoch ${epoch}, ${formatPoints(score)}, lies ${formatPoints(best.bboxAP - score)} points below ` +
  `that of ${best.variant}, ${formatPoints(best.bboxAP)}; the rule allows ${pointsBehind} from epoch ${afterEpoch} on`;
