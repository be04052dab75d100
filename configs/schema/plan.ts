/** The plan of a run, as recorded in the history, and the prepared inputs. */
import { z } from 'zod';
import { CatalogArchive, CatalogFile, DatasetSplit, MaskSource } from './catalog.ts';
import { CheckpointPolicy, RecoveryPolicy, RunInput, RunName, SkipBadImages } from './input.ts';
import { ReferenceResult } from './metrics.ts';
import { Sha256 } from './primitives.ts';
import { SpeedSwitches } from './speed.ts';

/** trainer/versions.json: a higher version of a part gives other results for the same inputs. */
export const TrainerVersions = z.record(z.string(), z.int().positive());
export type TrainerVersions = z.infer<typeof TrainerVersions>;

/** Versions of everswin and its trainer, and hashes of the Python code and the Python dependencies. */
export const Versions = z.object({
  everswin: z.string(),
  trainerCode: Sha256,
  trainerLock: Sha256,
  /** Absent in plans of earlier versions, whose results depend on the two hashes. */
  trainer: TrainerVersions.optional(),
});
export type Versions = z.infer<typeof Versions>;

/** The code that ran an attempt or a test. */
export const CodeVersion = z.object({
  everswin: z.string().describe('Version of everswin.'),
  commit: z.string().optional().describe('Commit, with `-dirty` if files were changed; absent without a git checkout.'),
  trainer: TrainerVersions.describe('Versions of the parts of the trainer (trainer/versions.json).'),
});
export type CodeVersion = z.infer<typeof CodeVersion>;

/** Whether a step was cached, and why; shown in `status`, log and report. */
export const StepOutcome = z.object({
  step: z.enum(['recipe', 'dataset', 'weights', 'training', 'test']),
  hit: z.boolean(),
  why: z.string(),
});
export type StepOutcome = z.infer<typeof StepOutcome>;

/** Settings of a recipe, as MMEngine resolves them, that matter before training. */
export const RecipeSummary = z.object({
  /** Epochs after which the learning rate falls. */
  milestones: z.array(z.int()),
  optimizer: z.string(),
  lr: z.number(),
  precision: z.enum(['fp16', 'fp32']),
  boxHeads: z.array(z.string()),
  /** Images of a GPU's batch that are in memory at a time; null for all. */
  imagesAtOnce: z.int().nullable(),
  /** Total batch for which the learning rate was chosen (MMDetection's `auto_scale_lr`); null if the recipe states none. */
  baseBatch: z.int().nullish(),
  /** Moving average of the weights, which is validated, tested and exported; absent for the weights themselves. */
  weightAverage: z.object({ type: z.string(), momentum: z.number() }).optional(),
  /** Why the switch groupBySize cannot choose the batches of the recipe; absent if it can. */
  noGroupBySize: z.string().optional(),
});
export type RecipeSummary = z.infer<typeof RecipeSummary>;

/** All settings of a recipe, as MMEngine resolves them. Readers parse those they need. */
export const RecipeSettings = z.record(z.string(), z.unknown());
export type RecipeSettings = z.infer<typeof RecipeSettings>;

const PlannedWeights = z.object({
  /** As the input names them. */
  id: z.string(),
  source: CatalogFile,
  /** Training that they come from, as text: `best checkpoint e008-i000136.pth of run demo, box AP 45.2`. */
  origin: z.string().optional(),
  /** Names of the classes of a detector, in the order of its outputs; null if unknown, absent for a backbone. */
  classes: z.array(z.string()).nullish(),
});
export type PlannedWeights = z.infer<typeof PlannedWeights>;

export const RunPlan = z.object({
  v: z.literal(1),
  runId: RunName,
  /** sha256 of everything that determines the final weights. Only checkpoints with this hash are resumed. */
  planHash: Sha256,
  recipe: z.object({ name: z.string(), sha256: Sha256, summary: RecipeSummary }),
  dataset: z.object({
    id: z.string(),
    /** sha256 of archives and splits; final after the fetch if an archive has no published hash. */
    contentKey: Sha256,
    archives: z.array(CatalogArchive),
    train: DatasetSplit,
    val: DatasetSplit,
    classes: z.int().nullable(),
    extractImages: z.boolean(),
    /** Absent in plans of earlier versions. */
    skipBadImages: SkipBadImages.optional(),
    /** Missing in plans without masks from boxes. */
    masks: MaskSource.optional(),
  }),
  weights: z.union([z.object({ backbone: PlannedWeights }), z.object({ detector: PlannedWeights })]),
  /** Epochs to train; 0 for an evaluation. */
  epochs: z.int(),
  gpus: z.int(),
  batchPerGpu: z.int(),
  /** Base learning rate of the input; absent for that of the recipe. */
  learningRate: z.number().optional(),
  seed: z.int(),
  loaderWorkers: z.int(),
  /** Images that a validation computes at once; absent in plans of earlier versions. */
  validationBatch: z.int().optional(),
  speed: SpeedSwitches,
  logEverySteps: z.int(),
  checkpoint: CheckpointPolicy,
  recovery: RecoveryPolicy,
  versions: Versions,
  references: z.array(ReferenceResult),
  /** Input of the run, to start it again and for settings that do not affect the weights. */
  input: RunInput,
  /** Whether the recipe was cached. */
  recipeOutcome: StepOutcome,
  /** Address of the run's page on this machine; null if no pages are served. */
  page: z.string().nullable(),
});
export type RunPlan = z.infer<typeof RunPlan>;

/** Excludes checkpoints after this iteration that were written under this or an older fencing token. */
export const Rollback = z.object({
  toIteration: z.int(),
  fence: z.int(),
  why: z.string(),
  /** Permission to train from iteration 0, although steps were saved. */
  startOver: z.boolean().optional(),
});
export type Rollback = z.infer<typeof Rollback>;

/** An object of the worker's store. */
export const StoredFile = z.object({ file: z.string(), sha256: Sha256, bytes: z.int() });
export type StoredFile = z.infer<typeof StoredFile>;

/** Images and objects of a split, and how many of them training learns from or validation scores. */
const SplitUse = z.object({ images: z.int(), objects: z.int(), usableImages: z.int(), usableObjects: z.int() });

export const DatasetUse = z.object({ train: SplitUse, val: SplitUse });
export type DatasetUse = z.infer<typeof DatasetUse>;

/** A prepared data set on the disk of the worker that fetched it. */
export const FetchedDataset = z.object({
  /** Folder of dataset.json. */
  root: z.string(),
  contentKey: Sha256,
  archives: z.array(StoredFile),
  images: z.int(),
  instances: z.int(),
  classes: z.int(),
  /** Missing in histories of runs that did not count it. */
  use: DatasetUse.optional(),
  warnings: z.array(z.string()),
  outcome: StepOutcome,
});
export type FetchedDataset = z.infer<typeof FetchedDataset>;

/** Weights that fit the recipe, as plain tensors, on the disk of the worker that fetched them. */
export const FetchedWeights = z.object({
  path: z.string(),
  source: StoredFile,
  converted: StoredFile,
  parameters: z.int(),
  /** Names of the classes that the file states, in the order of the outputs; null if it states none. */
  classes: z.array(z.string()).nullish(),
  outcome: StepOutcome,
});
export type FetchedWeights = z.infer<typeof FetchedWeights>;
