/** Several trainings that differ in a few settings, and which of them is best: workflow `compareRecipes`. */
import { z } from 'zod';
import { Comparison } from './comparison.ts';
import { EpochCount, RunFields, RunInput, RunName } from './input.ts';
import { Score, Sha256, safeName } from './primitives.ts';

/** What may differ from the base. The data set may not: runs that were tested on other images cannot be compared. */
export const SweepChange = z
  .strictObject({
    recipe: RunFields.shape.recipe,
    weights: RunFields.shape.weights,
    epochs: RunFields.shape.epochs,
    gpus: RunFields.shape.gpus,
    batchPerGpu: RunFields.shape.batchPerGpu,
    // Without their defaults: what a change does not name stays as the base has it. What it names is replaced as a whole.
    seed: RunFields.shape.seed.unwrap(),
    loaderWorkers: RunFields.shape.loaderWorkers.unwrap(),
    speed: RunFields.shape.speed.unwrap(),
    checkpoint: RunFields.shape.checkpoint.unwrap(),
    recovery: RunFields.shape.recovery.unwrap(),
    priority: RunFields.shape.priority,
  })
  .partial();
export type SweepChange = z.infer<typeof SweepChange>;

export const SweepVariant = z.strictObject({ name: safeName('the variant'), change: SweepChange.prefault({}) });
export type SweepVariant = z.infer<typeof SweepVariant>;

/**
 * From `afterEpoch` on, a variant whose validation box AP lies more than `pointsBehind` (hundredths) below the best one of the
 * same epoch ends after the epoch that runs. It is tested all the same.
 */
export const EarlyStopRule = z.strictObject({ afterEpoch: EpochCount, pointsBehind: z.number().positive().max(100) });
export type EarlyStopRule = z.infer<typeof EarlyStopRule>;

/** Each validation adds to the history of the workflow, which Temporal ends at 51 200 events. */
const mostEpochs = 6000;

export const SweepInput = z
  .strictObject({
    version: z.literal(1),
    name: RunName,
    base: RunFields.omit({ name: true }),
    variants: z.array(SweepVariant).min(2).max(12),
    earlyStop: EarlyStopRule.optional(),
  })
  .superRefine(({ name, base, variants }, context) => {
    const refuse = (place: number, message: string) =>
      context.addIssue({ code: 'custom', path: ['variants', place, 'name'], message });
    for (const [place, variant] of variants.entries()) {
      const runId = variantRun(name, variant.name);
      if (RunName.safeParse(variant.name).success && !RunName.safeParse(runId).success)
        refuse(place, `expected the run's name ${runId} to be 1-63 characters long`);
      const whole = RunInput.safeParse({ ...base, ...variant.change, name: 'checked' });
      // Each field was looked at by itself; what is left is how they go together.
      for (const { code, message } of whole.error?.issues ?? []) if (code === 'custom') refuse(place, message);
      if (variants.findIndex((one) => one.name === variant.name) < place)
        refuse(place, `expected each name once, got "${variant.name}" again`);
    }
    const epochs = variants.reduce((sum, { change }) => sum + (change.epochs ?? base.epochs), 0);
    if (epochs > mostEpochs)
      context.addIssue({
        code: 'custom',
        path: ['variants'],
        message: `expected at most ${mostEpochs} epochs in all, got ${epochs}`,
      });
  });
export type SweepInput = z.infer<typeof SweepInput>;

/** Name of a variant's run. */
export const variantRun = (sweep: string, variant: string): string => `${sweep}-${variant}`;

/** What a variant's run is started with. */
export const variantInput = ({ name, base }: SweepInput, variant: SweepVariant): RunInput =>
  RunInput.parse({ ...base, ...variant.change, name: variantRun(name, variant.name) });

export const VariantScore = z.object({ epoch: z.int(), bboxAP: Score });
export type VariantScore = z.infer<typeof VariantScore>;

/** How a variant stands, or ended. */
export const VariantStatus = z.object({
  variant: z.string(),
  runId: z.string(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  /** Its run was there before: it was waited for, and not started. */
  joined: z.boolean(),
  /** Of its validations, in the order of epochs. */
  scores: z.array(VariantScore),
  /** The rule and the numbers; null unless it was asked to stop. */
  stoppedEarly: z.string().nullable(),
  /** Of the final test. */
  result: z.object({ uri: z.string(), bboxAP: Score, segmAP: Score }).nullable(),
  /** A code of configs/errors.ts, where it has one. */
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export type VariantStatus = z.infer<typeof VariantStatus>;

/** What `watchVariants` has seen since it was asked: validations of a run that nobody knew of. */
export const VariantNews = z.object({ runId: z.string(), scores: z.array(VariantScore) });
export type VariantNews = z.infer<typeof VariantNews>;

/** The `status` query of a sweep. */
export const SweepStatus = z.object({
  name: z.string(),
  stage: z.enum(['training', 'comparing', 'done', 'failed', 'cancelled']),
  earlyStop: EarlyStopRule.nullable(),
  variants: z.array(VariantStatus),
  verdict: z.array(z.string()),
  report: z.string().nullable(),
});
export type SweepStatus = z.infer<typeof SweepStatus>;

/** comparison.json of a sweep: all that its pages are drawn from, but for the curves. */
export const SweepReport = z.object({
  v: z.literal(1),
  name: z.string(),
  createdAt: z.number(),
  earlyStop: EarlyStopRule.nullable(),
  variants: z.array(VariantStatus.extend({ changes: z.string() })),
  /** The variant with the best box AP of the final test; null where nobody could tell. */
  winner: z.string().nullable(),
  verdict: z.array(z.string()),
  /** Of all finished runs, the best first; null where fewer than two could be compared. */
  comparison: Comparison.nullable(),
  /** Why finished runs are not in it. */
  notCompared: z.array(z.string()),
});
export type SweepReport = z.infer<typeof SweepReport>;

/** What the workflow returns. */
export const SweepResult = z.object({
  uri: z.string(),
  sha256: Sha256,
  bytes: z.int(),
  winner: z.string().nullable(),
  verdict: z.array(z.string()),
  variants: z.array(VariantStatus.omit({ scores: true })),
});
export type SweepResult = z.infer<typeof SweepResult>;
