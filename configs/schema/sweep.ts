/** Sweeps: several trainings that differ in a few settings. Workflow `compareRecipes`. */
import { z } from 'zod';
import { Comparison } from './comparison.ts';
import { dropSchemaAddress, EpochCount, RunFields, RunInput, RunName } from './input.ts';
import { onceValid, Score, Sha256, safeName } from './primitives.ts';
import { namedOnce, resolveData } from './short-data.ts';

/** Settings that a variant may change. The data set is not one of them, because its scores would not be comparable. */
export const SweepChange = z
  .strictObject({
    recipe: RunFields.shape.recipe,
    weights: RunFields.shape.weights,
    epochs: RunFields.shape.epochs,
    gpus: RunFields.shape.gpus,
    batchPerGpu: RunFields.shape.batchPerGpu,
    learningRate: RunFields.shape.learningRate,
    // Without defaults, so unnamed settings keep the value of the base. A named setting is replaced completely.
    seed: RunFields.shape.seed.unwrap(),
    loaderWorkers: RunFields.shape.loaderWorkers.unwrap(),
    validationBatch: RunFields.shape.validationBatch.unwrap(),
    speed: RunFields.shape.speed.unwrap(),
    checkpoint: RunFields.shape.checkpoint.unwrap(),
    recovery: RunFields.shape.recovery.unwrap(),
    priority: RunFields.shape.priority,
  })
  .partial();
export type SweepChange = z.infer<typeof SweepChange>;

export const SweepVariant = z.strictObject({
  name: safeName('the variant').describe('Name of the variant. Its run is named `SWEEP-VARIANT`.'),
  change: SweepChange.describe('Settings that differ from the base; a named setting is replaced completely.').prefault(
    {},
  ),
});
export type SweepVariant = z.infer<typeof SweepVariant>;

/**
 * Stops a variant after its current epoch if, from `afterEpoch`, its validation box AP is more than `pointsBehind`
 * (hundredths) below the best one of the same epoch. A stopped variant is still tested.
 */
export const EarlyStopRule = z.strictObject({
  afterEpoch: EpochCount.meta({ description: 'First epoch after which a variant may be stopped.', unit: 'epochs' }),
  pointsBehind: z.number().positive().max(100).meta({
    description: 'Stops a variant whose validation box AP is this far below the best one of the same epoch.',
    unit: 'AP points',
  }),
});
export type EarlyStopRule = z.infer<typeof EarlyStopRule>;

/** Each validation adds to the history of the workflow, which Temporal ends at 51 200 events. */
const mostEpochs = 6000;

/** Parts of a sweep that its rules read. Other fields may be invalid. */
const VariantNames = z.object({
  name: z.string(),
  base: z.looseObject({}),
  variants: z.array(z.object({ name: z.string(), change: z.looseObject({}).optional() })),
});

/** Checks the names of the variants, their rules across fields, and the epochs of all. */
function checkVariants(
  { name, base, variants }: { name: string; base: object; variants: SweepVariant[] },
  context: z.core.$RefinementCtx,
): void {
  const refuse = (place: number, message: string) =>
    context.addIssue({ code: 'custom', path: ['variants', place, 'name'], message });
  for (const [place, variant] of variants.entries()) {
    const runId = variantRun(name, variant.name);
    const hasValidNames = [name, variant.name].every((one) => RunName.safeParse(one).success);
    if (hasValidNames && !RunName.safeParse(runId).success)
      refuse(place, `expected the run's name ${runId} to be 1-63 characters long`);
    for (const message of findRuleViolations({ ...base, ...variant.change })) refuse(place, message);
    if (variants.findIndex((one) => one.name === variant.name) < place)
      refuse(place, `expected each name once, got "${variant.name}" again`);
  }
  const epochs = variants
    .map(({ change }) => EpochCount.safeParse({ ...base, ...change }.epochs).data ?? 0)
    .reduce((sum, one) => sum + one, 0);
  if (epochs > mostEpochs) {
    const message = `expected at most ${mostEpochs} epochs in all, got ${epochs}`;
    context.addIssue({ code: 'custom', path: ['variants'], message });
  }
}

/** Returns the problems of rules across fields that a variant may change. Other problems are reported where they are. */
function findRuleViolations(run: object): string[] {
  const { error } = RunInput.safeParse({ ...run, name: 'checked' });
  const isValidAlone = (field: PropertyKey | undefined) =>
    Object.entries(SweepChange.shape).some(
      ([name, schema]) => name === field && schema.safeParse(Reflect.get(run, name)).success,
    );
  return (error?.issues ?? [])
    .filter(({ code, path: [field] }) => code === 'custom' && isValidAlone(field))
    .map(({ message }) => message);
}

export const SweepInput = z
  .strictObject({
    $schema: RunFields.shape.$schema,
    version: RunFields.shape.version,
    name: RunName.describe('Name of the sweep.'),
    base: RunFields.omit({ $schema: true, name: true })
      .superRefine(...namedOnce)
      .describe('Run input that all variants share, without `name`.'),
    variants: z.array(SweepVariant).min(2).max(12).describe('Runs of the sweep.'),
    earlyStop: EarlyStopRule.describe(
      'Stops variants that are clearly worse. Without it, all run to their end.',
    ).optional(),
  })
  .superRefine(checkVariants, onceValid(VariantNames))
  .overwrite(dropSchemaAddress)
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
  /** What the run asks a person; null or absent if nothing. */
  question: z.string().nullish(),
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
