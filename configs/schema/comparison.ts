/** comparison.json: the comparison of runs. */
import { z } from 'zod';
import { CocoMetrics } from './metrics.ts';
import { Score, Sha256 } from './primitives.ts';

/** 95 % interval of a score difference, by paired bootstrap over images; null without bootstrap. */
const DifferenceInterval = z.tuple([z.number(), z.number()]).nullable();

/** Difference of two scores; negative if the run is worse. */
const Difference = z.number().min(-1).max(1).nullable();

/** Score of each run in the order of `runs`, and its difference from the first run. */
export const ComparedScore = z.object({
  scores: z.array(Score),
  differences: z.array(z.object({ by: Difference, interval: DifferenceInterval })),
});
export type ComparedScore = z.infer<typeof ComparedScore>;

const ComparedMetric = ComparedScore.extend({
  kind: z.enum(['bbox', 'segm']),
  key: z.keyof(CocoMetrics),
});
type ComparedMetric = z.infer<typeof ComparedMetric>;

export const ComparedClass = z.object({
  name: z.string(),
  instances: z.int(),
  bbox: ComparedScore,
  segm: ComparedScore,
});
export type ComparedClass = z.infer<typeof ComparedClass>;

/** A plan field, such as `checkpoint.everyMinutes`, that differs between runs. */
export const PlanDifference = z.object({ field: z.string(), values: z.array(z.string().nullable()) });
export type PlanDifference = z.infer<typeof PlanDifference>;

export const Comparison = z.object({
  v: z.literal(1),
  createdAt: z.number(),
  /** The first run is the baseline. */
  runs: z.array(z.object({ runId: z.string(), recipe: z.string(), planHash: Sha256, checkpointSha256: Sha256 })).min(2),
  images: z.int(),
  annotationsSha256: Sha256,
  /** Number of resamples of the paired bootstrap; null if a run has none. */
  resamples: z.int().nullable(),
  plan: z.array(PlanDifference),
  metrics: z.array(ComparedMetric),
  /** Largest change first. */
  classes: z.array(ComparedClass),
});
export type Comparison = z.infer<typeof Comparison>;
