/** Automatic retraining: input, detected changes and gate verdicts. */
import { z } from 'zod';
import { dropSchemaAddress, equalShares, RunFields } from './input.ts';
import { Score, Sha256 } from './primitives.ts';
import { ModelName, VersionId } from './model-name.ts';
import { namedOnce, resolveData } from './short-data.ts';
import { Fingerprint } from './registry.ts';
import { isVersionAlias, parseDetectorName } from './weights-reference.ts';

const points = (least: number, otherwise: number, description: string) =>
  z.number().min(least).max(100).meta({ description, unit: 'AP points' }).default(otherwise);

/** Rules by which a candidate is compared with the champion, in AP points (hundredths). */
export const GateRules = z.strictObject({
  gain: points(-100, 0, 'Required rise of box and mask AP.'),
  withinNoise: z
    .enum(['equal', 'worse'])
    .describe('`equal` ignores a fall within the bootstrap interval of the test images.')
    .default('equal'),
  sizesMayFall: points(0, 1, 'Permitted fall of the AP of small, medium and large objects, each.'),
  worstClasses: z
    .strictObject({
      count: z.int().min(0).max(1000).describe('Number of classes that are compared.').default(5),
      mayFall: points(0, 10, 'Permitted fall of the AP of each of these classes.'),
    })
    .describe('Permitted fall of the classes that fall most.')
    .prefault({}),
  weightsBytes: z
    .int()
    .positive()
    .meta({ description: 'Maximum size of the weights. Without it, the size is not limited.', unit: 'bytes' })
    .optional(),
  testSlower: z
    .number()
    .positive()
    .max(100)
    .describe("Maximum test time as a multiple of the champion's. Without it, the time is not limited.")
    .optional(),
});
export type GateRules = z.infer<typeof GateRules>;

/** Decision about a candidate that passed the gate: automatic, or by a person. */
const PromotionMode = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('gate').describe('Promotes every candidate that passes the gate.') }),
  z.strictObject({
    by: z.literal('person').describe('Asks a person about each candidate that passes the gate.'),
    deadlineHours: z
      .number()
      .positive()
      .max(720)
      .meta({ description: 'Time to wait for an answer. Then `otherwise` applies.', unit: 'hours' })
      .default(72),
    remindAfterHours: z
      .number()
      .positive()
      .max(720)
      .meta({ description: 'Time until a reminder is sent.', unit: 'hours' })
      .default(24),
    otherwise: z.enum(['reject', 'promote']).describe('Decision without an answer.').default('reject'),
  }),
]);
type PromotionMode = z.infer<typeof PromotionMode>;

export const RetrainInput = z
  .strictObject({
    $schema: RunFields.shape.$schema,
    version: RunFields.shape.version,
    model: ModelName.describe('Name of the model in the registry.'),
    run: RunFields.omit({ $schema: true, name: true, version: true })
      .superRefine(...equalShares)
      .superRefine(...namedOnce)
      .describe('Run input without `version` and `name`, which is derived from the model and its inputs.'),
    start: z
      .enum(['run', 'champion'])
      .describe('`run` starts from the weights of `run`; `champion` from the current champion, if there is one.')
      .default('run'),
    gate: GateRules.describe('Rules by which a candidate is compared with the champion.').prefault({}),
    promote: PromotionMode.describe('Who decides about a candidate that passed the gate.').prefault({ by: 'gate' }),
    settleSeconds: z
      .number()
      .min(0)
      .max(86_400)
      .meta({
        description: 'Time for which the data must stay unchanged before a training starts.',
        unit: 'seconds',
      })
      .default(0),
  })
  .superRefine(({ model, run }, context) => {
    const { detector } = run.weights;
    const named = detector === undefined ? undefined : parseDetectorName(detector);
    if (named?.kind !== 'model' || named.model !== model || !isVersionAlias(named.version)) return;
    // Each promotion would change the starting weights, and with them the fingerprint: a training without end.
    const message = `expected weights that a promotion of ${model} does not change, got "${String(detector)}". To start from the champion, set \`start\` to "champion"`;
    context.addIssue({ code: 'custom', path: ['run', 'weights', 'detector'], message });
  })
  .overwrite(dropSchemaAddress)
  .transform((fields) => ({ ...fields, run: resolveData(fields.run, fields.model) }));
export type RetrainInput = z.infer<typeof RetrainInput>;

/** Request to check a model for changes. */
export const Trigger = z.object({ who: z.string().max(200), why: z.string().max(500), at: z.number() });
export type Trigger = z.infer<typeof Trigger>;

/** Decision whether to train, recorded for every check for changes. */
export const RetrainDecision = z.object({
  at: z.number(),
  triggers: z.array(Trigger),
  fingerprint: Fingerprint,
  trains: z.boolean(),
  /** `skipped: nothing changed since …`, `changed: dataset (was … is …)`. */
  why: z.string(),
});
export type RetrainDecision = z.infer<typeof RetrainDecision>;

/** Result of one rule. */
export const GateFinding = z.object({ rule: z.string(), passed: z.boolean(), message: z.string() });
export type GateFinding = z.infer<typeof GateFinding>;

/** The verdict document: models/<model>/verdicts/<sha256>.json. */
export const GateVerdict = z.object({
  v: z.literal(1),
  model: ModelName,
  candidate: VersionId,
  /** Null if there was no champion to compare with. */
  champion: VersionId.nullable(),
  passed: z.boolean(),
  findings: z.array(GateFinding),
  rules: GateRules,
  bbox: z.object({ candidate: Score, champion: Score }),
  segm: z.object({ candidate: Score, champion: Score }),
});
export type GateVerdict = z.infer<typeof GateVerdict>;

const RetrainStage = z.enum([
  'detecting changes',
  'training',
  'testing champion',
  'evaluating gate',
  'waiting for approval',
  'idle',
]);
type RetrainStage = z.infer<typeof RetrainStage>;

/** Outcome of one decision to train. */
export const RetrainOutcome = z.object({
  runId: z.string(),
  version: VersionId.nullable(),
  outcome: z.enum(['promoted', 'rejected', 'failed']),
  why: z.string(),
  verdict: Sha256.nullable(),
});
export type RetrainOutcome = z.infer<typeof RetrainOutcome>;

/** Answer of the query `status` of a retraining. */
export const RetrainStatus = z.object({
  model: ModelName,
  stage: RetrainStage,
  champion: VersionId.nullable(),
  /** Newest last. */
  decisions: z.array(RetrainDecision),
  outcomes: z.array(RetrainOutcome),
  /** Triggers that arrived during the current cycle. */
  pendingTriggers: z.array(Trigger),
  /** The candidate that waits for approval. */
  awaitingApproval: VersionId.nullable(),
  /** What the running training asks a person; null or absent if nothing. */
  question: z.string().nullish(),
  /** What the preparation or the registry waits for; null or absent if nothing. */
  notice: z.string().nullish(),
  /** Page of the model; null if no pages are served. */
  page: z.string().nullable(),
});
export type RetrainStatus = z.infer<typeof RetrainStatus>;
