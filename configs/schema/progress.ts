/** How training goes. */
import { z } from 'zod';
import { EvalMetrics } from './metrics.ts';
import { StepOutcome } from './plan.ts';
import { Check } from './preflight.ts';
import { Score } from './primitives.ts';
import { TrainerControl } from './trainer-files.ts';

/** What the test says of a checkpoint, and whether it had to be done for that. */
export const TestResult = EvalMetrics.extend({ outcome: StepOutcome });
export type TestResult = z.infer<typeof TestResult>;

/** How far the copy in the artifact store is behind. */
export const RemoteCopy = z.object({
  /** Of its newest checkpoint. */
  iteration: z.int().nullable(),
  /** Checkpoints that are on their way. */
  backlog: z.int(),
  problem: z.string().nullable(),
});
export type RemoteCopy = z.infer<typeof RemoteCopy>;

/** How far one file or step of the preparation is: heartbeat details of `fetchDataset` and `fetchWeights`, one of each. */
export const PreparationProgress = z.object({
  /** Name of the file, or what is done with what: `checking coco-2017`. */
  what: z.string(),
  bytes: z.int().optional(),
  /** Null where no server says it. */
  totalBytes: z.int().nullish(),
  bytesPerSecond: z.number().optional(),
  etaSeconds: z.number().nullish(),
  /** Where it comes from, without query and credentials. */
  source: z.string().nullish(),
  /** Why it was tried again, or left for another mirror, the last time. */
  note: z.string().nullish(),
});
export type PreparationProgress = z.infer<typeof PreparationProgress>;

/** Where a run stands: heartbeat details, signal to the workflow and part of `status`. Small on purpose. */
export const Progress = z.object({
  v: z.literal(1),
  attempt: z.int(),
  epoch: z.int(),
  epochs: z.int(),
  iteration: z.int(),
  loss: z.number().nullable(),
  lr: z.number().nullable(),
  bboxAP: Score,
  segmAP: Score,
  /** The epoch whose validation gave these two; absent before the first one. */
  validatedEpoch: z.int().optional(),
  etaSeconds: z.number().nullable(),
  lastCheckpoint: z.string().nullable(),
  /** The newest order for a checkpoint that was carried out. */
  checkpointNow: z.int(),
  pid: z.int().nullable(),
  /** Copy in the artifact store; absent where the store is a folder of the same machine. */
  remote: RemoteCopy.nullable(),
});
export type Progress = z.infer<typeof Progress>;

/** What to do after a failure of this class: the entries of configs/failures.json say which. */
export const FailureReaction = z.enum([
  'retry',
  'stop',
  'rollback',
  'accumulate-gradients',
  'wait-for-space',
  'previous-checkpoint',
]);
export type FailureReaction = z.infer<typeof FailureReaction>;

/** configs/failures.json: how a trainer can fail, told by what it printed first. Adding a class is one entry here and one sample log. */
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
      /** Regular expressions, each looked for within one line of the log. */
      patterns: z.array(z.string()).default([]),
      /** Of the process that ended, where it printed nothing that tells more. */
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

/** A checkpoint that was taken out of use. */
export const Quarantined = z.object({ file: z.string(), why: z.string() });
export type Quarantined = z.infer<typeof Quarantined>;

/** How one training attempt ended. `worker-lost` is written by the workflow: nobody was left to say it. */
const AttemptOutcome = z.enum(['finished', 'crashed', 'hung', 'preempted', 'worker-lost']);
type AttemptOutcome = z.infer<typeof AttemptOutcome>;

export const Attempt = z.object({
  attempt: z.int(),
  fence: z.int().nullable(),
  outcome: AttemptOutcome,
  /** The trainer was already running when this attempt began: nothing was started, nothing was lost. */
  adopted: z.boolean(),
  resumedFrom: z.string().nullable(),
  /** Iterations done when the trainer of this attempt began to step, when it ended, and in its newest checkpoint. */
  fromIteration: z.int().nullable(),
  toIteration: z.int().nullable(),
  checkpointIteration: z.int().nullable(),
  /** Iterations of all whole checkpoints at the end, newest first. */
  checkpoints: z.array(z.int()),
  quarantined: z.array(Quarantined),
  cause: z.string().nullable(),
  /** Null unless it crashed or hung. */
  failure: Failure.nullable(),
  logTail: z.array(z.string()),
  startedAt: z.number(),
  firstStepAt: z.number().nullable(),
  /** By the clock of the trainer's supervisor; null where nobody saw it. `endedAt` is when this attempt noticed. */
  trainerEndedAt: z.number().nullable(),
  endedAt: z.number(),
  /** Whole epochs done at the beginning and at the end. */
  fromEpoch: z.int().nullable(),
  epoch: z.int().nullable(),
  /** On whose GPUs. */
  host: z.string().nullable(),
  /** Over all trainers since `since` of the request: in steps, in steps that lasted (no later start took them back), in validation. */
  steppingSeconds: z.number(),
  productiveSeconds: z.number(),
  evaluationSeconds: z.number(),
});
export type Attempt = z.infer<typeof Attempt>;

/** What the workflow decided after an attempt, and why: shown in the UI and the report. */
export const Decision = z.object({
  at: z.number(),
  attempt: z.int(),
  next: z.enum(['test', 'retry', 'adopt', 'wait-for-space', 'pause', 'stop']),
  why: z.string(),
  /** What will be different, in words; null where nothing is. */
  change: z.string().nullable(),
});
export type Decision = z.infer<typeof Decision>;

/** What one interruption cost. `recoverySeconds`: from the end of the trainer to the first step of the next one. */
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

/** Effective training time ratio (arXiv 2410.21680): steps that lasted / time meant for training, evaluation and pauses not counted. */
export const Ledger = z.object({
  interruptions: z.array(Interruption),
  productiveSeconds: z.number(),
  lostSeconds: z.number(),
  evaluationSeconds: z.number(),
  pausedSeconds: z.number(),
  /** From the first attempt's start to the last one's end. */
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

/** Scores of one epoch's validation. */
const Validation = z.object({ epoch: z.int(), bboxAP: Score, segmAP: Score });
type Validation = z.infer<typeof Validation>;

export const RunStatus = z.object({
  runId: z.string(),
  recipe: z.string(),
  stage: Stage,
  progress: Progress.nullable(),
  /** What the dry run found. */
  checks: z.array(Check),
  /** Which steps had to be done, and why. */
  steps: z.array(StepOutcome),
  attempts: z.array(Attempt),
  decisions: z.array(Decision),
  ledger: Ledger,
  control: TrainerControl.nullable(),
  /** What a person should know or do now: paused, waiting for space. */
  notice: z.string().nullable(),
  /** For which GPUs it waits and for whom; null when it has what it needs. */
  waiting: z.string().nullable(),
  report: z.string().nullable(),
  /** Where it can be watched in a browser. */
  page: z.string().nullable(),
  /** In the order of epochs; absent before the first one. */
  validations: z.array(Validation).optional(),
});
export type RunStatus = z.infer<typeof RunStatus>;
