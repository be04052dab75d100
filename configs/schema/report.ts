/** What comes out. */
import { z } from 'zod';
import { Attempt, Decision, Ledger } from './course.ts';
import { CocoMetrics, EvalMetrics, ReferenceResult } from './metrics.ts';
import { RunPlan } from './plan.ts';
import { Score, Sha256 } from './primitives.ts';

/** A thing that happened at a time: a mark on the report's timeline. Seconds since the epoch. */
export const TimelineEvent = z.object({
  at: z.number(),
  kind: z.enum([
    'started',
    'resumed',
    'adopted',
    'crashed',
    'hung',
    'worker-lost',
    'process-died',
    'preempted',
    'finished',
    'tested',
  ]),
  what: z.string(),
  iteration: z.int().nullable(),
});
export type TimelineEvent = z.infer<typeof TimelineEvent>;

/** A process of the embedded stack that died and was started again, as its supervisor saw it. */
export const Incident = z.object({
  v: z.literal(1),
  at: z.number(),
  process: z.string(),
  pid: z.int(),
  how: z.string(),
  restartedAfterSeconds: z.number(),
});
export type Incident = z.infer<typeof Incident>;

/** report.json: all that the HTML and Markdown pages are drawn from. */
export const Report = z.object({
  v: z.literal(1),
  runId: z.string(),
  createdAt: z.number(),
  verdict: z.string(),
  plan: RunPlan,
  recipeText: z.string(),
  metrics: EvalMetrics,
  references: z.array(ReferenceResult),
  curves: z.object({
    loss: z.array(z.object({ iteration: z.int(), loss: z.number().nullable(), lr: z.number().nullable() })),
    ap: z.array(z.object({ epoch: z.int(), iteration: z.int(), bbox: Score, segm: Score })),
  }),
  timeline: z.array(TimelineEvent),
  attempts: z.array(Attempt),
  decisions: z.array(Decision),
  ledger: Ledger,
  /** Steps done again because a crash threw them away. */
  stepsRepeated: z.int(),
  warnings: z.array(z.string()),
  seconds: z.object({ total: z.number(), training: z.number() }),
  environment: z.record(z.string(), z.string()),
});
export type Report = z.infer<typeof Report>;

/** What the workflow returns: a reference to the report, never its content. */
export const ReportRef = z.object({
  uri: z.string(),
  sha256: Sha256,
  bytes: z.int(),
  bbox: CocoMetrics,
  segm: CocoMetrics,
  verdict: z.string(),
  /** Processes that died in the run: trainers, and what the stack's supervisor saw die. */
  crashes: z.int(),
  stepsRepeated: z.int(),
  goodput: Score,
});
export type ReportRef = z.infer<typeof ReportRef>;
