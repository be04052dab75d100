/** Early stopping of the variants of a sweep. Pure, so the workflow history explains every stop. */
import { formatPoints } from '../../activities/shared/summary/format-score.ts';
import type { EarlyStopRule, VariantScore, VariantStatus } from '../../configs/schema/index.ts';

interface Laggard {
  variant: string;
  runId: string;
  /** The scores and the rule, as text. */
  why: string;
}

type Scored = Pick<VariantStatus, 'variant' | 'runId' | 'state' | 'scores' | 'stoppedEarly'>;

/** Finds running variants that fall behind, comparing each at its newest epoch that another variant also validated. */
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
  `box AP ${formatPoints(score)} at epoch ${epoch} is ${formatPoints(best.bboxAP - score)} points below ` +
  `${best.variant} (${formatPoints(best.bboxAP)}); the rule allows ${pointsBehind} from epoch ${afterEpoch}`;
