/** Sweeps: several trainings that differ in a few settings. Workflow `compareRecipes`. */
import { z } from 'zod';
import { Comparison } from './comparison.ts';
import { EpochCount, RunFields, RunInput, RunName } from './input.ts';
import { checkData, resolveData } from './short-data.ts';
import { Score, Sha256, safeName } from './primitives.ts';

/** Settings that a variant may change. The data set is not one of them, because its scores would not be comparable. */
export const SweepChange = z
  .strictObject({
    recipe: RunFields.shape.recipe,
    weights: RunFields.shape.weights,
    epochs: RunFields.shape.epochs,
    gpus: RunFields.shape.gpus,
    batchPerGpu: RunFields.shape.batchPerGpu,
    // Without defaults, so unnamed settings keep the value of the base. A named setting is replaced completely.
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
 * Stops a variant after its current epoch if, from `afterEpoch`, its validation box AP is more than `pointsBehind`
 * (hundredths) below the best one of the same epoch. A stopped variant is still tested.
 */
export const EarlyStopRule = z.strictObject({ afterEpoch: EpochCount, pointsBehind: z.number().positive().max(100) });
export type EarlyStopRule = z.infer<typeof EarlyStopRule>;

/** Each validation adds to the history of the workflow, which Temporal ends at 51 200 events. */
const mostEpochs = 6000;

export const SweepInput = z
  .strictObject({
    version: z.literal(1),
    name: RunName,
    base: RunFields.omit({ name: true }).check(checkData),
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
      const merged = RunInput.safeParse({ ...base, ...variant.change, name: 'checked' });
      // Each field is already valid by itself; only rules across fields remain.
      for (const { code, message } of merged.error?.issues ?? []) if (code === 'custom') refuse(place, message);
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
  })
  .transform((fields) => ({ ...fields, base: resolveData(fields.base, fields.name) }));
export type SweepInput = z.infer<typeof SweepInput>;

/** Returns the run name of a variant. */
export const variantRun = (sweep: string, variant: string): string => `${sweep}-${variant}`;

/** Returns the run input of a variant. */
export const variantInput = ({ name, base }: SweepInput, variant: SweepVariant): RunInput =>
  RunInput.parse({ ...base, ...variant.change, name: variantRun(name, variant.name) });

export const VariantScore = z.object({ epoch: z.int(), bboxAP: Score });
export type VariantScore = z.infer<typeof VariantScore>;

/** Status of a variant. */
export const VariantStatus = z.object({
  variant: z.string(),
  runId: z.string(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  /** The run existed before, so the sweep waited for it and did not start it. */
  joined: z.boolean(),
  /** Scores of its validations, in the order of epochs. */
  scores: z.array(VariantScore),
  /** Scores and rule of an early stop, as text; null otherwise. */
  stoppedEarly: z.string().nullable(),
  /** Result of the final test. */
  result: z.object({ uri: z.string(), bboxAP: Score, segmAP: Score }).nullable(),
  /** Failure with its code of configs/errors.ts, if it has one. */
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export type VariantStatus = z.infer<typeof VariantStatus>;

/** Result of `watchVariants`: new validations of a run. */
export const VariantNews = z.object({ runId: z.string(), scores: z.array(VariantScore) });
export type VariantNews = z.infer<typeof VariantNews>;

/** Answer of the query `status` of a sweep. */
export const SweepStatus = z.object({
  name: z.string(),
  stage: z.enum(['training', 'comparing', 'done', 'failed', 'cancelled']),
  earlyStop: EarlyStopRule.nullable(),
  variants: z.array(VariantStatus),
  verdict: z.array(z.string()),
  report: z.string().nullable(),
});
export type SweepStatus = z.infer<typeof SweepStatus>;

/** comparison.json of a sweep: data of its pages, except the curves. */
export const SweepReport = z.object({
  v: z.literal(1),
  name: z.string(),
  createdAt: z.number(),
  earlyStop: EarlyStopRule.nullable(),
  variants: z.array(VariantStatus.extend({ changes: z.string() })),
  /** Variant with the best box AP in the final test; null if undecided. */
  winner: z.string().nullable(),
  verdict: z.array(z.string()),
  /** Comparison of all finished runs, best first; null if fewer than two are comparable. */
  comparison: Comparison.nullable(),
  /** Why finished runs are missing in the comparison. */
  notCompared: z.array(z.string()),
});
export type SweepReport = z.infer<typeof SweepReport>;

/** Result of the workflow. */
export const SweepResult = z.object({
  uri: z.string(),
  sha256: Sha256,
  bytes: z.int(),
  winner: z.string().nullable(),
  verdict: z.array(z.string()),
  variants: z.array(VariantStatus.omit({ scores: true })),
});
export type SweepResult = z.infer<typeof SweepResult>;
