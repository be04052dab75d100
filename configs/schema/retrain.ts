/** Retraining by itself: what is asked for, what was found to have changed, and how a candidate was judged. */
import { z } from 'zod';
import { checkHosts, RunFields } from './input.ts';
import { Score, Sha256 } from './primitives.ts';
import { Fingerprint, ModelName, VersionId } from './registry.ts';

const points = (least: number, otherwise: number) => z.number().min(least).max(100).default(otherwise);

/** Rules by which a candidate is compared with the champion, in AP points (hundredths). */
export const GateRules = z.strictObject({
  /** Overall box and mask AP must rise by at least so much. */
  gain: points(-100, 0),
  /** `equal`: a fall that another choice of test images could turn around counts as none. */
  withinNoise: z.enum(['equal', 'worse']).default('equal'),
  /** AP of small, medium and large objects may each fall by so much. */
  sizesMayFall: points(0, 1),
  /** The classes that fall most may fall by so much: as many of them as this. */
  worstClasses: z.strictObject({ count: z.int().min(0).max(1000).default(5), mayFall: points(0, 10) }).prefault({}),
  /** Bytes of the weights; no limit where it is absent. */
  weightsBytes: z.int().positive().optional(),
  /** Seconds of the test in times of the champion's; no limit where it is absent. */
  testSlower: z.number().positive().max(100).optional(),
});
export type GateRules = z.infer<typeof GateRules>;

/** Who decides about a candidate that passed the gate. */
const PromotionMode = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('gate') }),
  z.strictObject({
    by: z.literal('person'),
    /** Hours to answer in, and what happens when nobody does. */
    deadlineHours: z.number().positive().max(720).default(72),
    remindAfterHours: z.number().positive().max(720).default(24),
    otherwise: z.enum(['reject', 'promote']).default('reject'),
  }),
]);
type PromotionMode = z.infer<typeof PromotionMode>;

export const RetrainInput = z.strictObject({
  version: z.literal(1),
  model: ModelName,
  /** The training; its name follows from the model and from what is trained. */
  run: RunFields.omit({ name: true, version: true }).check(checkHosts),
  /** `champion`: begins with the detector that is used now, where there is one. */
  start: z.enum(['run', 'champion']).default('run'),
  gate: GateRules.prefault({}),
  promote: PromotionMode.prefault({ by: 'gate' }),
  /** Seconds for which the data must stay unchanged before a training starts. */
  settleSeconds: z.number().min(0).max(86_400).default(0),
});
export type RetrainInput = z.infer<typeof RetrainInput>;

/** Request to check a model for changes. */
export const Trigger = z.object({ who: z.string().max(200), why: z.string().max(500), at: z.number() });
export type Trigger = z.infer<typeof Trigger>;

/** Whether to train, and why: kept for every trigger. */
export const RetrainDecision = z.object({
  at: z.number(),
  triggers: z.array(Trigger),
  fingerprint: Fingerprint,
  trains: z.boolean(),
  /** `skipped: nothing changed since …`, `changed: dataset (was … is …)`. */
  why: z.string(),
});
export type RetrainDecision = z.infer<typeof RetrainDecision>;

/** One rule and what became of it. */
export const GateFinding = z.object({ rule: z.string(), passed: z.boolean(), message: z.string() });
export type GateFinding = z.infer<typeof GateFinding>;

/** The verdict document: models/<model>/verdicts/<sha256>.json. */
export const GateVerdict = z.object({
  v: z.literal(1),
  model: ModelName,
  candidate: VersionId,
  /** Null: there was none to hold it against. */
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

/** What became of one decision to train. */
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
  /** The candidate that waits for an answer. */
  awaitingApproval: VersionId.nullable(),
  /** Page of the model; null if no pages are served. */
  page: z.string().nullable(),
});
export type RetrainStatus = z.infer<typeof RetrainStatus>;
