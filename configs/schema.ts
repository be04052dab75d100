/** What crosses an edge: schema and type under one name. Units stand in the names; AP and AR are in 0..1. */
import { z } from 'zod';

// ---------------------------------------------------------------- what a person asks for

const pathSafe = /^[a-z0-9](?!.*\.\.)[a-z0-9._-]{0,62}$/;
const safeName = (what: string) =>
  z
    .string()
    .regex(pathSafe, `expected ${what} to be 1-63 of a-z 0-9 . _ - starting with a letter or digit, without ".."`);

export const RunName = safeName('the name');
export type RunName = z.infer<typeof RunName>;

export const CheckpointPolicy = z.strictObject({
  /** `auto`: by the Young/Daly formula, from the measured cost of a save and the time between failures. */
  everyMinutes: z.union([z.literal('auto'), z.number().positive().max(1440)]).default(10),
  /** Never fewer than two: a damaged newest one must leave another. */
  keepLast: z.int().min(2).max(100).default(3),
  /** Epochs whose checkpoint stays for ever; unless given, those after which the learning rate falls. */
  milestones: z.array(z.int().min(1).max(1000)).max(100).optional(),
});
export type CheckpointPolicy = z.infer<typeof CheckpointPolicy>;

/** The parts of a plan that decide its weights: a checkpoint of a run in which one of them differs is another run's. */
export const PlanPart = z.enum(['recipe', 'dataset', 'backbone', 'epochs', 'gpus', 'batchPerGpu', 'seed']);
export type PlanPart = z.infer<typeof PlanPart>;

const stallFloor = (seconds: number) => z.number().positive().max(86_400).default(seconds);

/** What may be done without asking when training goes wrong. */
export const RecoveryPolicy = z.strictObject({
  /** After NaN or Inf: back so many checkpoints and on with this change, at most `tries` times in a run. */
  diverged: z
    .strictObject({
      backCheckpoints: z.int().min(1).max(10).default(2),
      learningRateFactor: z.number().positive().max(1).default(0.5),
      fp32: z.boolean().default(false),
      tries: z.int().min(0).max(10).default(2),
    })
    .prefault({}),
  /** Out of GPU memory twice: cut each batch into parts whose gradients add up to the same step. */
  outOfMemory: z.strictObject({ accumulate: z.boolean().default(true) }).prefault({}),
  /** What may differ from the plan that wrote the checkpoints. Such a run goes on from the end of an epoch. */
  mayChange: z.array(PlanPart).default([]),
  /** Seconds without a sign of progress after which a trainer counts as hung; 5 x the longest wait seen, where that is more. */
  stallSeconds: z
    .strictObject({
      startup: stallFloor(900),
      step: stallFloor(60),
      validation: stallFloor(1800),
      saving: stallFloor(600),
    })
    .prefault({}),
});
export type RecoveryPolicy = z.infer<typeof RecoveryPolicy>;

export const EpochCount = z.int().min(1).max(1000);

export const RunInput = z.strictObject({
  version: z.literal(1),
  name: RunName,
  /** A file of configs/mmdet, without `.py`. */
  recipe: safeName('the recipe'),
  /** Ids of configs/catalog.json. */
  dataset: safeName('the data set'),
  weights: z.strictObject({ backbone: safeName('the backbone weights') }),
  epochs: EpochCount,
  gpus: z.int().min(1).max(64),
  batchPerGpu: z.int().min(1).max(64),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(0),
  /** Data loader processes per GPU. */
  loaderWorkers: z.int().min(0).max(32).default(2),
  logEverySteps: z.int().min(1).max(10_000).default(50),
  checkpoint: CheckpointPolicy.prefault({}),
  recovery: RecoveryPolicy.prefault({}),
});
export type RunInput = z.infer<typeof RunInput>;

// ---------------------------------------------------------------- the catalog of things to fetch

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const CatalogFile = z.strictObject({
  file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
  /** Tried in order. `demo:` is the embedded stack's own loopback server. */
  urls: z.array(z.string().regex(/^(https?:\/\/|demo:)/)).min(1),
  /** Null where nobody publishes it: recorded at the first download, enforced from then on. */
  bytes: z.int().positive().nullable(),
  sha256: Sha256.nullable(),
});
export type CatalogFile = z.infer<typeof CatalogFile>;

/** An archive also says how many files (directories not counted) it holds. */
export const CatalogArchive = CatalogFile.extend({ files: z.int().positive() });
export type CatalogArchive = z.infer<typeof CatalogArchive>;

export const Catalog = z.strictObject({
  datasets: z.record(z.string(), z.strictObject({ title: z.string(), archives: z.array(CatalogArchive).min(1) })),
  weights: z.record(z.string(), z.strictObject({ title: z.string(), source: CatalogFile })),
});
export type Catalog = z.infer<typeof Catalog>;

// ---------------------------------------------------------------- what COCO measures

const Score = z.number().min(0).max(1).nullable();

/** The twelve numbers of COCOeval at maxDets (100, 300, 1000), as MMDetection prints them; null without ground truth. */
export const CocoMetrics = z.object({
  AP: Score,
  AP50: Score,
  AP75: Score,
  APs: Score,
  APm: Score,
  APl: Score,
  AR100: Score,
  AR300: Score,
  AR1000: Score,
  ARs: Score,
  ARm: Score,
  ARl: Score,
});
export type CocoMetrics = z.infer<typeof CocoMetrics>;

/** metrics.json of the test job. */
export const EvalMetrics = z.object({
  v: z.literal(1),
  checkpoint: z.string(),
  checkpointSha256: Sha256,
  images: z.int(),
  bbox: CocoMetrics,
  segm: CocoMetrics,
  seconds: z.number(),
});
export type EvalMetrics = z.infer<typeof EvalMetrics>;

/** A published or measured result to compare with; numbers nobody published are absent. */
export const ReferenceResult = z.strictObject({
  label: z.string(),
  source: z.string(),
  bbox: CocoMetrics.partial(),
  segm: CocoMetrics.partial(),
});
export type ReferenceResult = z.infer<typeof ReferenceResult>;

/** configs/mmdet/metafile.json: what is known of each recipe, by its name. */
export const RecipeFacts = z.record(
  z.string(),
  z.strictObject({ title: z.string(), trainingMemoryGb: z.string().optional(), references: z.array(ReferenceResult) }),
);

// ---------------------------------------------------------------- what will be done: recorded in history

export const RunPlan = z.object({
  v: z.literal(1),
  runId: RunName,
  /** sha256 over everything that decides the final weights; a checkpoint of another hash is never resumed. */
  planHash: Sha256,
  recipe: z.object({ name: z.string(), sha256: Sha256 }),
  dataset: z.object({ id: z.string(), contentKey: Sha256, archives: z.array(CatalogArchive) }),
  weights: z.object({ backbone: z.object({ id: z.string(), source: CatalogFile }) }),
  epochs: z.int(),
  gpus: z.int(),
  batchPerGpu: z.int(),
  seed: z.int(),
  loaderWorkers: z.int(),
  logEverySteps: z.int(),
  checkpoint: CheckpointPolicy,
  recovery: RecoveryPolicy,
  versions: z.object({ everswin: z.string(), trainerLock: Sha256 }),
  references: z.array(ReferenceResult),
});
export type RunPlan = z.infer<typeof RunPlan>;

/** What the workflow wants of the trainer now: orders.json. The first two may change while it runs. */
export const Orders = z.object({
  v: z.literal(1),
  /** Train until so many whole epochs are done: the plan's, unless a person changed it. The schedule stays the plan's. */
  epochs: z.int(),
  /** Grows by one whenever somebody wants a checkpoint at once. */
  checkpointNow: z.int(),
  /** Of the recipe's learning rate. */
  learningRateFactor: z.number(),
  /** Train without mixed precision. */
  fp32: z.boolean(),
  /** Parts that each batch is cut into; their gradients add up to one step. */
  accumulate: z.int(),
});
export type Orders = z.infer<typeof Orders>;

/** Checkpoints after this iteration that were written under this fence or an older one are not to be used any more. */
export const Rollback = z.object({ toIteration: z.int(), fence: z.int(), why: z.string() });
export type Rollback = z.infer<typeof Rollback>;

/** A fetched thing on the worker's disk. `reused` says why nothing was fetched. */
export const FetchedDataset = z.object({
  root: z.string(),
  contentKey: Sha256,
  bytes: z.int(),
  reused: z.boolean(),
  files: z.int(),
});
export type FetchedDataset = z.infer<typeof FetchedDataset>;

export const FetchedWeights = z.object({
  path: z.string(),
  sha256: Sha256,
  bytes: z.int(),
  reused: z.boolean(),
  parameters: z.int(),
});
export type FetchedWeights = z.infer<typeof FetchedWeights>;

// ---------------------------------------------------------------- the trainer's files (docs/trainer-contract.md)

export const TrainerOwner = z.object({
  v: z.literal(1),
  pid: z.int(),
  /** Field 22 of /proc/<pid>/stat: with the pid it names one process for ever. */
  startTicks: z.int(),
  host: z.string(),
  attempt: z.int(),
  fence: z.int(),
  /** Size of trainer.log when this trainer began: what is before it is another's. */
  logOffset: z.int(),
  startedAt: z.number(),
});
export type TrainerOwner = z.infer<typeof TrainerOwner>;

export const RootCause = z.object({
  rank: z.int().nullable(),
  pid: z.int().nullable(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  message: z.string(),
  at: z.number().nullable(),
});
export type RootCause = z.infer<typeof RootCause>;

export const TrainerExit = z.object({
  v: z.literal(1),
  attempt: z.int(),
  fence: z.int(),
  code: z.int().nullable(),
  signal: z.string().nullable(),
  stopRequested: z.boolean(),
  reason: z.enum(['finished', 'preempted', 'crashed', 'hung']),
  rootCause: RootCause.nullable(),
  startedAt: z.number(),
  endedAt: z.number(),
});
export type TrainerExit = z.infer<typeof TrainerExit>;

export const CheckpointManifest = z.object({
  v: z.literal(1),
  file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
  bytes: z.int(),
  sha256: Sha256,
  epoch: z.int(),
  iteration: z.int(),
  planHash: Sha256,
  attempt: z.int(),
  fence: z.int(),
  createdAt: z.number(),
  /** Version of torch that wrote the file; null for the stand-in trainer, whose checkpoints are not torch's. */
  torch: z.string().nullable(),
});
export type CheckpointManifest = z.infer<typeof CheckpointManifest>;

const ValidationScores = z.object({ AP: Score, AP50: Score, AP75: Score, APs: Score, APm: Score, APl: Score });
const trainerEvent = <T extends string, S extends z.core.$ZodLooseShape>(type: T, shape: S) =>
  z.object({ v: z.literal(1), type: z.literal(type), t: z.number(), attempt: z.int(), ...shape });

export const TrainerEvent = z.discriminatedUnion('type', [
  trainerEvent('started', {
    fence: z.int(),
    epoch: z.int(),
    iteration: z.int(),
    iterationsPerEpoch: z.int(),
    epochs: z.int(),
    worldSize: z.int(),
    device: z.string(),
    resumedFrom: z.string().nullable(),
    pids: z.array(z.int()),
    versions: z.record(z.string(), z.string()),
  }),
  trainerEvent('step', {
    epoch: z.int(),
    iteration: z.int(),
    loss: z.number().nullable(),
    losses: z.record(z.string(), z.number().nullable()),
    lr: z.number().nullable(),
    stepSeconds: z.number(),
    dataSeconds: z.number().nullable(),
    etaSeconds: z.number().nullable(),
    memoryMb: z.number().nullable(),
  }),
  trainerEvent('validation', {
    epoch: z.int(),
    iteration: z.int(),
    bbox: ValidationScores,
    segm: ValidationScores,
    seconds: z.number(),
  }),
  trainerEvent('checkpoint', {
    file: z.string(),
    epoch: z.int(),
    iteration: z.int(),
    bytes: z.int(),
    sha256: Sha256,
    seconds: z.number(),
    /** How long training stood still for it: the rest of `seconds` went on in the background. */
    blockedSeconds: z.number(),
    /** `checkpointNow` of the orders that it carries out. */
    order: z.int(),
  }),
  trainerEvent('tested', { done: z.int(), total: z.int() }),
  trainerEvent('warning', { message: z.string() }),
  trainerEvent('ended', { reason: z.enum(['finished', 'preempted']), epoch: z.int(), iteration: z.int() }),
]);
export type TrainerEvent = z.infer<typeof TrainerEvent>;

/** Answer of `check-weights`. */
export const WeightsCheck = z.object({
  v: z.literal(1),
  ok: z.boolean(),
  refused: z.string().optional(),
  parameters: z.int(),
  missing: z.array(z.string()),
  unexpected: z.array(z.string()),
  misshapen: z.array(z.object({ key: z.string(), expected: z.array(z.int()), got: z.array(z.int()) })),
});
export type WeightsCheck = z.infer<typeof WeightsCheck>;

/** Answer of `recipe`. */
export const FlattenedRecipe = z.object({
  v: z.literal(1),
  name: z.string(),
  text: z.string(),
  sha256: Sha256,
  maxEpochs: z.int(),
});
export type FlattenedRecipe = z.infer<typeof FlattenedRecipe>;

// ---------------------------------------------------------------- how training goes

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
  etaSeconds: z.number().nullable(),
  lastCheckpoint: z.string().nullable(),
  /** The newest order for a checkpoint that was carried out. */
  checkpointNow: z.int(),
  pid: z.int().nullable(),
});
export type Progress = z.infer<typeof Progress>;

/** What to do after a failure of this class: the entries of configs/failures.json say which. */
export const FailureReaction = z.enum([
  'retry',
  'stop',
  'step-back',
  'lighter-batch',
  'wait-for-space',
  'older-checkpoint',
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

/** Why an attempt failed, as the catalogue tells it. `evidence` is the line that gave it away. */
export const Failure = z.object({
  class: z.string(),
  reaction: FailureReaction,
  tries: z.int(),
  evidence: z.string(),
  meaning: z.string(),
  nextStep: z.string(),
});
export type Failure = z.infer<typeof Failure>;

/** A checkpoint that was taken out of use. */
export const Quarantined = z.object({ file: z.string(), why: z.string() });
export type Quarantined = z.infer<typeof Quarantined>;

/** How one training attempt ended. `worker-lost` is written by the workflow: nobody was left to say it. */
export const AttemptEnding = z.enum(['finished', 'crashed', 'hung', 'preempted', 'worker-lost']);
export type AttemptEnding = z.infer<typeof AttemptEnding>;

export const Attempt = z.object({
  attempt: z.int(),
  fence: z.int().nullable(),
  ending: AttemptEnding,
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
  /** Whole epochs done at the end. */
  epoch: z.int().nullable(),
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
  next: z.enum(['test', 'again', 'adopt', 'wait-for-space', 'pause', 'stop']),
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

export const RunStatus = z.object({
  runId: z.string(),
  recipe: z.string(),
  stage: Stage,
  progress: Progress.nullable(),
  attempts: z.array(Attempt),
  decisions: z.array(Decision),
  ledger: Ledger,
  orders: Orders.nullable(),
  /** What a person should know or do now: paused, waiting for space. */
  notice: z.string().nullable(),
  report: z.string().nullable(),
});
export type RunStatus = z.infer<typeof RunStatus>;

// ---------------------------------------------------------------- what comes out

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
