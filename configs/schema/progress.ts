/** Progress, attempts and status of a run. */
import { z } from 'zod';
import { EvalMetrics } from './metrics.ts';
import { CodeVersion, StepOutcome } from './plan.ts';
import { GpuVerdict } from './gpu-health.ts';
import { Check } from './preflight.ts';
import { Score } from './primitives.ts';
import { TrainerControl } from './trainer-files.ts';

/** Test metrics of a checkpoint, with the code that measured them; absent in those of earlier versions. */
export const TestedMetrics = EvalMetrics.extend({ code: CodeVersion.optional() });
export type TestedMetrics = z.infer<typeof TestedMetrics>;

/** Test metrics of a checkpoint, and whether they were cached. */
export const TestResult = TestedMetrics.extend({ outcome: StepOutcome });
export type TestResult = z.infer<typeof TestResult>;

/** State of the copy in the artifact store. */
export const RemoteCopy = z.object({
  /** Iteration of its newest checkpoint. */
  iteration: z.int().nullable(),
  /** Number of checkpoints that still have to be uploaded. */
  backlog: z.int(),
  problem: z.string().nullable(),
});
export type RemoteCopy = z.infer<typeof RemoteCopy>;

/** Progress of one file or step of the preparation: heartbeat details of `fetchDataset` and `fetchWeights`. */
export const PreparationProgress = z.object({
  /** File name, or a step such as `checking coco-2017`. */
  what: z.string(),
  bytes: z.int().optional(),
  /** Total size; null if the server does not send it. */
  totalBytes: z.int().nullish(),
  bytesPerSecond: z.number().optional(),
  etaSeconds: z.number().nullish(),
  /** Source address, without query and credentials. */
  source: z.string().nullish(),
  /** Reason of the last retry or change of mirror. */
  note: z.string().nullish(),
});
export type PreparationProgress = z.infer<typeof PreparationProgress>;

/** Progress of a run: heartbeat details, signal to the workflow and part of `status`, so it stays small. */
export const Progress = z.object({
  v: z.literal(1),
  attempt: z.int(),
  epoch: z.int(),
  epochs: z.int(),
  iteration: z.int(),
  /** Iterations of an epoch; absent before a trainer has started, and in records of earlier versions. */
  iterationsPerEpoch: z.int().optional(),
  loss: z.number().nullable(),
  lr: z.number().nullable(),
  bboxAP: Score,
  segmAP: Score,
  /** Epoch of the validation that measured these two; absent before the first validation. */
  validatedEpoch: z.int().optional(),
  etaSeconds: z.number().nullable(),
  /** Speed of the newest steps, over all GPUs; null while no trainer runs, absent in records of earlier versions. */
  imagesPerSecond: z.number().nullish(),
  /** Model FLOPs utilization of these steps, 0 to 1; null if unknown, as on a CPU. */
  mfu: z.number().nullish(),
  lastCheckpoint: z.string().nullable(),
  /** Number of the newest checkpoint request that was served. */
  checkpointNow: z.int(),
  pid: z.int().nullable(),
  /** Copy in the artifact store; null if the store is a folder of the same machine. */
  remote: RemoteCopy.nullable(),
});
export type Progress = z.infer<typeof Progress>;

/** Reaction to a failure; configs/failures.json names one per class. */
export const FailureReaction = z.enum([
  'retry',
  'stop',
  'rollback',
  'accumulate-gradients',
  'wait-for-space',
  'wait-for-storage',
  'previous-checkpoint',
  'ask-to-start-over',
  'replace-gpu',
]);
export type FailureReaction = z.infer<typeof FailureReaction>;

/** configs/failures.json: failure classes, recognized by the log. A new class needs an entry and a sample log. */
export const FailureCatalogue = z.strictObject({
  version: z.literal(1),
  classes: z.array(
    z.strictObject({
      class: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/),
      meaning: z.string(),
      nextStep: z.string(),
      reaction: FailureReaction,
      /** Failures in a row without a new checkpoint before the run stops. */
      tries: z.int().min(1).default(3),
      /** Counts as a failure of the GPU of the rank that failed. */
      blamesGpu: z.boolean().default(false),
      /** Regular expressions, each matched within one log line. */
      patterns: z.array(z.string()).default([]),
      /** Signals that ended the process; used if no pattern matches. */
      signals: z.array(z.string()).default([]),
      exitCodes: z.array(z.int()).default([]),
    }),
  ),
});
export type FailureCatalogue = z.infer<typeof FailureCatalogue>;
export type FailureClass = FailureCatalogue['classes'][number];

/** Cause of a failed attempt, as its class in the catalogue describes it. */
export const Failure = z.object({
  class: z.string(),
  /** A FailureReaction; the workflow stops on one that its version does not know. */
  reaction: z.string(),
  tries: z.int(),
  /** Log line that shows the cause. */
  evidence: z.string(),
  meaning: z.string(),
  nextStep: z.string(),
});
export type Failure = z.infer<typeof Failure>;

/** A checkpoint that was moved to quarantine. */
export const Quarantined = z.object({ file: z.string(), why: z.string() });
export type Quarantined = z.infer<typeof Quarantined>;

/** State of a GPU other than healthy. */
export const GpuProblem = z.object({
  /** `driver` if the driver itself fails. */
  uuid: z.string(),
  name: z.string().nullable(),
  verdict: GpuVerdict,
  /** What was checked, such as `ecc`. */
  kinds: z.array(z.string()),
  why: z.string(),
  remedy: z.string(),
});
export type GpuProblem = z.infer<typeof GpuProblem>;

/** A line of gpu-health.jsonl: the problems from this time on, in Unix seconds. */
export const GpuHealthChange = z.object({ v: z.literal(1), at: z.number(), problems: z.array(GpuProblem) });
export type GpuHealthChange = z.infer<typeof GpuHealthChange>;

/** GPUs of the machine at the end of an attempt, by UUID. */
export const AttemptGpus = z.object({
  /** Those that the attempt leased, in the order of its ranks. */
  leased: z.array(z.string()),
  /** Those on which a job can run, including those that other runs hold. */
  usable: z.array(z.string()),
  /** The part of `usable` that no other run holds; empty while other runs wait for GPUs. */
  free: z.array(z.string()),
  /** Those to which the failure of the attempt, or a reading during it, points. */
  failed: z.array(z.string()),
  problems: z.array(GpuProblem),
});
export type AttemptGpus = z.infer<typeof AttemptGpus>;

/** Outcome of an attempt. The workflow itself records `worker-lost`, because a lost worker cannot report. */
export const AttemptOutcome = z.enum(['finished', 'crashed', 'hung', 'preempted', 'worker-lost']);
type AttemptOutcome = z.infer<typeof AttemptOutcome>;

export const Attempt = z.object({
  attempt: z.int(),
  fence: z.int().nullable(),
  outcome: AttemptOutcome,
  /** The trainer was already running when this attempt began, so no steps were lost. */
  adopted: z.boolean(),
  resumedFrom: z.string().nullable(),
  /** Iterations at the first step of this attempt, at its end, and in its newest checkpoint. */
  fromIteration: z.int().nullable(),
  toIteration: z.int().nullable(),
  checkpointIteration: z.int().nullable(),
  /** Iterations of all valid checkpoints at the end, newest first. */
  checkpoints: z.array(z.int()),
  quarantined: z.array(Quarantined),
  cause: z.string().nullable(),
  /** Type of the error that ended the watch of the trainer; absent when the worker was lost, or nothing failed. */
  watchError: z.string().optional(),
  /** Null unless it crashed or hung. */
  failure: Failure.nullable(),
  logTail: z.array(z.string()),
  startedAt: z.number(),
  firstStepAt: z.number().nullable(),
  /** End of the trainer by the clock of its supervisor; null if unknown. `endedAt` is when the attempt detected it. */
  trainerEndedAt: z.number().nullable(),
  endedAt: z.number(),
  /** Complete epochs at the start and at the end. */
  fromEpoch: z.int().nullable(),
  epoch: z.int().nullable(),
  /** Host whose GPUs trained. */
  host: z.string().nullable(),
  /** Code of the trainer; absent if unknown, as for trainers that an earlier version started. */
  code: CodeVersion.optional(),
  /** Absent without NVIDIA GPUs, if their health could not be read, and with several hosts. */
  gpus: AttemptGpus.optional(),
  /** Seconds in steps, in steps that no restart discarded, and in validation, since `since` of the request. */
  steppingSeconds: z.number(),
  productiveSeconds: z.number(),
  evaluationSeconds: z.number(),
});
export type Attempt = z.infer<typeof Attempt>;

/** What an attempt knows of its trainer while it watches it. */
const WatchedTrainer = Attempt.pick({
  fence: true,
  adopted: true,
  resumedFrom: true,
  fromIteration: true,
  toIteration: true,
  fromEpoch: true,
  epoch: true,
  host: true,
  code: true,
  firstStepAt: true,
  steppingSeconds: true,
  productiveSeconds: true,
  evaluationSeconds: true,
});
export type WatchedTrainer = z.infer<typeof WatchedTrainer>;

/** Part of the heartbeat details and failure details of an attempt: its record if it cannot report. */
export const LastDetails = z.object({
  watched: WatchedTrainer,
  /** Outcome of a trainer that ended after its worker. */
  outcome: z.literal('preempted').optional(),
  trainerEndedAt: z.number().optional(),
});
export type LastDetails = z.infer<typeof LastDetails>;

/** Failure details of a test: they decide whether it is repeated. */
export const TestFailure = z.object({
  outcome: z.enum(['crashed', 'hung', 'preempted']),
  /** Images that the test and those before it have finished. */
  images: z.int(),
});
export type TestFailure = z.infer<typeof TestFailure>;

/** Decision of the workflow after an attempt, shown in the UI and the report. */
export const Decision = z.object({
  at: z.number(),
  attempt: z.int(),
  next: z.enum([
    'test',
    'retry',
    'adopt',
    'wait-for-space',
    'wait-for-storage',
    'wait-for-gpus',
    'ask',
    'pause',
    'stop',
  ]),
  why: z.string(),
  /** Change for the next attempt, as text; null if none. */
  change: z.string().nullable(),
});
export type Decision = z.infer<typeof Decision>;

/** Question of a run to a person; null once it is answered. */
export const RunQuestion = z.object({ runId: z.string(), question: z.string().nullable() });
export type RunQuestion = z.infer<typeof RunQuestion>;

/** Cost of an interruption. `recoverySeconds` lasts from the end of a trainer to the first step of the next one. */
export const Interruption = z.object({
  at: z.number(),
  attempt: z.int(),
  cause: z.string(),
  class: z.string(),
  detectionSeconds: z.number().nullable(),
  stepsLost: z.int(),
  recoverySeconds: z.number().nullable(),
});
export type Interruption = z.infer<typeof Interruption>;

/** Change of the last epoch, which a person or a sweep requested during the training. */
export const EpochChange = z.object({
  at: z.number(),
  request: z.enum(['stop-after', 'extend']),
  /** Last epoch before and after the request. */
  from: z.int(),
  to: z.int(),
  /** Who asked; null for a client that does not say. */
  who: z.string().max(200).nullable(),
});
export type EpochChange = z.infer<typeof EpochChange>;

/**
 * Goodput as the effective training time ratio (arXiv 2410.21680): time in steps that no restart discarded, divided by
 * wall time without evaluation and pauses.
 */
export const Ledger = z.object({
  interruptions: z.array(Interruption),
  productiveSeconds: z.number(),
  lostSeconds: z.number(),
  evaluationSeconds: z.number(),
  pausedSeconds: z.number(),
  /** Time from the start of the first attempt to the end of the last one. */
  wallSeconds: z.number(),
  goodput: Score,
});
export type Ledger = z.infer<typeof Ledger>;

export const Stage = z.enum([
  'planning',
  'fetching',
  'training',
  'testing',
  'reporting',
  'done',
  'failed',
  'cancelled',
]);
export type Stage = z.infer<typeof Stage>;

/** Why a run failed, as a person reads it. */
export const FailureExplanation = z.object({
  /** Class of configs/failures.json; null unless a trainer failed. */
  class: z.string().nullable(),
  /** What happened, in a sentence or two. */
  cause: z.string(),
  /** Lines that show the cause. */
  evidence: z.array(z.string()),
  remedy: z.string(),
  /** Last lines of the trainer's log; empty unless a trainer failed. */
  logTail: z.array(z.string()),
});
export type FailureExplanation = z.infer<typeof FailureExplanation>;

/** How a run failed: part of its status, details of its Temporal failure, and failure.json of its folder. */
export const RunFailure = FailureExplanation.extend({
  v: z.literal(1),
  /** Unix seconds. */
  at: z.number(),
  /** Stage in which it failed; null if unknown. */
  stage: Stage.nullable(),
  /** Code of configs/errors.ts. */
  code: z.string(),
});
export type RunFailure = z.infer<typeof RunFailure>;

/** Record of a cancelled run: cancelled.json of its folder. */
export const RunCancellation = z.object({
  v: z.literal(1),
  /** Unix seconds. */
  at: z.number(),
});
export type RunCancellation = z.infer<typeof RunCancellation>;

/** Scores of one epoch's validation. */
const Validation = z.object({ epoch: z.int(), bboxAP: Score, segmAP: Score });
type Validation = z.infer<typeof Validation>;

export const RunStatus = z.object({
  runId: z.string(),
  recipe: z.string(),
  stage: Stage,
  progress: Progress.nullable(),
  /** Results of the dry run. */
  checks: z.array(Check),
  /** Which steps were cached, and why. */
  steps: z.array(StepOutcome),
  attempts: z.array(Attempt),
  decisions: z.array(Decision),
  ledger: Ledger,
  control: TrainerControl.nullable(),
  /** Requests that changed the last epoch, in order; absent before the first one. */
  epochChanges: z.array(EpochChange).optional(),
  /** Notice to the user, such as a pause or a full disk. */
  notice: z.string().nullable(),
  /** GPUs that the run waits for, and their holders; null if it does not wait. */
  waiting: z.string().nullable(),
  /** GPUs that are not healthy; absent before the first reading that found one. */
  gpus: z.array(GpuProblem).optional(),
  report: z.string().nullable(),
  /** Address of the detector; absent until it is written. */
  detector: z.string().optional(),
  /** Address of the run's page. */
  page: z.string().nullable(),
  /** Validations in the order of epochs; absent before the first one. */
  validations: z.array(Validation).optional(),
  /** Why the run failed; absent unless it did. */
  failure: RunFailure.optional(),
});
export type RunStatus = z.infer<typeof RunStatus>;
