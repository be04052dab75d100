/** Report and manifest of a run. */
import { z } from 'zod';
import { Attempt, Decision, EpochChange, Ledger, TestedMetrics } from './progress.ts';
import { CocoMetrics, ReferenceResult } from './metrics.ts';
import { Check } from './preflight.ts';
import { DatasetUse, RecipeSettings, RunPlan, StepOutcome, StoredFile, Versions } from './plan.ts';
import { Score, Sha256 } from './primitives.ts';
import { EpochHashes } from './trainer-files.ts';

/** An event on the timeline of the report. `at` is in Unix seconds. */
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
    'gpu-health',
    'preempted',
    'finished',
    'tested',
  ]),
  what: z.string(),
  iteration: z.int().nullable(),
});
export type TimelineEvent = z.infer<typeof TimelineEvent>;

/** A process of the embedded stack that died and was restarted. */
export const Incident = z.object({
  v: z.literal(1),
  at: z.number(),
  process: z.string(),
  pid: z.int(),
  how: z.string(),
  restartedAfterSeconds: z.number(),
});
export type Incident = z.infer<typeof Incident>;

/** The detector that a run left: a folder that MMDetection loads without everswin. */
export const DetectorRef = z.object({
  /** Address of the folder: `file:///…`, or `s3://…` if the artifact store is a bucket. */
  uri: z.string(),
  /** Path on the machine that wrote it. */
  path: z.string(),
  /** Names in the order of the labels, and their ids in the annotations. */
  classes: z.array(z.string()),
  categoryIds: z.array(z.number()),
  files: z.array(z.object({ file: z.string(), sha256: Sha256, bytes: z.int() })),
});
export type DetectorRef = z.infer<typeof DetectorRef>;

/** Images per second over all GPUs, and model FLOPs utilization, 0 to 1; null if unknown, as on a CPU. */
const Speed = z.object({ imagesPerSecond: z.number(), mfu: z.number().nullable() });

/** report.json: data of the HTML and Markdown reports. */
export const Report = z.object({
  v: z.literal(1),
  runId: z.string(),
  createdAt: z.number(),
  verdict: z.string(),
  plan: RunPlan,
  recipeText: z.string(),
  /** Empty in reports written before the trainer recorded them. */
  recipeSettings: RecipeSettings.default({}),
  /** Missing in reports of runs that did not count it. */
  datasetUse: DatasetUse.optional(),
  metrics: TestedMetrics,
  /** Absent in the reports of runs that left none. */
  detector: DetectorRef.optional(),
  references: z.array(ReferenceResult),
  /** Hashes of the last epoch; absent in reports of trainers that recorded none. */
  lastEpoch: EpochHashes.optional(),
  curves: z.object({
    loss: z.array(z.object({ iteration: z.int(), loss: z.number().nullable(), lr: z.number().nullable() })),
    ap: z.array(z.object({ epoch: z.int(), iteration: z.int(), bbox: Score, segm: Score })),
    /** Means of the parts of the loss by name, up to each iteration; absent in reports of earlier versions. */
    parts: z
      .object({ iterations: z.array(z.int()), losses: z.record(z.string(), z.array(z.number().nullable())) })
      .optional(),
  }),
  /** Mean speed of the steps that no restart discarded; absent if the trainer recorded none. */
  speed: Speed.extend({ epochs: z.array(Speed.extend({ epoch: z.int() })) }).optional(),
  timeline: z.array(TimelineEvent),
  checks: z.array(Check),
  steps: z.array(StepOutcome),
  attempts: z.array(Attempt),
  decisions: z.array(Decision),
  /** Requests that changed the last epoch. */
  epochChanges: z.array(EpochChange).default([]),
  ledger: Ledger,
  /** Steps repeated because a crash discarded them. */
  stepsRepeated: z.int(),
  warnings: z.array(z.string()),
  seconds: z.object({ total: z.number(), training: z.number() }),
  environment: z.record(z.string(), z.string()),
});
export type Report = z.infer<typeof Report>;

/** Result of the workflow: a reference to the report, without its content. */
export const ReportRef = z.object({
  uri: z.string(),
  sha256: Sha256,
  bytes: z.int(),
  bbox: CocoMetrics,
  segm: CocoMetrics,
  verdict: z.string(),
  /** Processes that died during the run: trainers and processes of the stack. */
  crashes: z.int(),
  stepsRepeated: z.int(),
  goodput: Score,
  /** Address of the detector; absent if the run left none. */
  detector: z.string().optional(),
});
export type ReportRef = z.infer<typeof ReportRef>;

/** `runs/<id>/manifest.json`: all inputs and outputs of a run, by hash. `everswin store run NAME` verifies it. */
export const RunManifest = z.object({
  v: z.literal(1),
  runId: z.string(),
  createdAt: z.number(),
  planHash: Sha256,
  seed: z.int(),
  /** Base learning rate; absent in manifests of versions that could not set it. */
  learningRate: z.number().optional(),
  recipe: z.object({ name: z.string(), sha256: Sha256 }),
  dataset: z.object({ id: z.string(), contentKey: Sha256, archives: z.array(StoredFile) }),
  weights: z.object({ id: z.string(), origin: z.string().optional(), source: StoredFile, converted: StoredFile }),
  versions: Versions,
  environment: z.record(z.string(), z.string()),
  results: z.object({ checkpointSha256: Sha256, bbox: CocoMetrics, segm: CocoMetrics }),
  /** Files of the run folder: checkpoints, detections, metrics, report, recipe and logs. */
  files: z.array(z.object({ path: z.string(), sha256: Sha256, bytes: z.int() })),
});
export type RunManifest = z.infer<typeof RunManifest>;
