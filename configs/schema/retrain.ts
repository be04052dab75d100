/** Automatic retraining: input, detected changes and gate verdicts. */
import { z } from 'zod';
import { checkHosts, RunFields } from './input.ts';
import { Score, Sha256 } from './primitives.ts';
import { checkData, resolveData } from './short-data.ts';
import { Fingerprint, ModelName, VersionId } from './registry.ts';

const points = (least: number, otherwise: number) => z.number().min(least).max(100).default(otherwise);

/** Rules by which a candidate is compared with the champion, in AP points (hundredths). */
export const GateRules = z.strictObject({
  /** Required rise of box and mask AP. */
  gain: points(-100, 0),
  /** `equal` ignores a fall within the bootstrap interval of the test images. */
  withinNoise: z.enum(['equal', 'worse']).default('equal'),
  /** Permitted fall of the AP of small, medium and large objects, each. */
  sizesMayFall: points(0, 1),
  /** Permitted fall of the `count` classes that fall most. */
  worstClasses: z.strictObject({ count: z.int().min(0).max(1000).default(5), mayFall: points(0, 10) }).prefault({}),
  /** Maximum size of the weights; unlimited by default. */
  weightsBytes: z.int().positive().optional(),
  /** Maximum test time as a multiple of the champion's; unlimited by default. */
  testSlower: z.number().positive().max(100).optional(),
});
export type GateRules = z.infer<typeof GateRules>;

/** Decision about a candidate that passed the gate: automatic, or by a person. */
const PromotionMode = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('gate') }),
  z.strictObject({
    by: z.literal('person'),
    /** Hours to wait for an answer; afterwards `otherwise` applies. */
    deadlineHours: z.number().positive().max(720).default(72),
    remindAfterHours: z.number().positive().max(720).default(24),
    otherwise: z.enum(['reject', 'promote']).default('reject'),
  }),
]);
type PromotionMode = z.infer<typeof PromotionMode>;

export const RetrainInput = z
  .strictObject({
    version: z.literal(1),
    model: ModelName,
    /** Input of the training. Its name is derived from the model and the fingerprint. */
    run: RunFields.omit({ name: true, version: true }).check(checkHosts).check(checkData),
    /** `champion` starts from the current champion, if there is one. */
    start: z.enum(['run', 'champion']).default('run'),
    gate: GateRules.prefault({}),
    promote: PromotionMode.prefault({ by: 'gate' }),
    /** Seconds for which the data must stay unchanged before a training starts. */
    settleSeconds: z.number().min(0).max(86_400).default(0),
  })
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
  /** Page of the model; null if no pages are served. */
  page: z.string().nullable(),
});
export type RetrainStatus = z.infer<typeof RetrainStatus>;
