/** What will be done: recorded in history. */
import { z } from 'zod';
import { CatalogArchive, CatalogFile, DatasetSplit } from './catalog.ts';
import { CheckpointPolicy, RecoveryPolicy, RunInput, RunName } from './input.ts';
import { ReferenceResult } from './metrics.ts';
import { Sha256 } from './primitives.ts';
import { SpeedSwitches } from './speed.ts';

/** What did the work: everswin, its Python code, and what that stands on. */
export const Versions = z.object({ everswin: z.string(), trainerCode: Sha256, trainerLock: Sha256 });
export type Versions = z.infer<typeof Versions>;

/** Whether a step had to be done, and why: shown in `status`, log and report. */
export const StepOutcome = z.object({
  step: z.enum(['recipe', 'dataset', 'weights', 'training', 'test']),
  hit: z.boolean(),
  why: z.string(),
});
export type StepOutcome = z.infer<typeof StepOutcome>;

/** What MMEngine makes of a recipe, where it matters before training. */
export const RecipeSummary = z.object({
  /** Epochs after which the learning rate falls. */
  milestones: z.array(z.int()),
  optimizer: z.string(),
  lr: z.number(),
  precision: z.enum(['fp16', 'fp32']),
  boxHeads: z.array(z.string()),
  /** Of a GPU's batch, in memory at a time; null for all of them. */
  imagesAtOnce: z.int().nullable(),
});
export type RecipeSummary = z.infer<typeof RecipeSummary>;

/** Every setting of a recipe, as MMEngine resolved it. Readers parse the few they need. */
export const RecipeSettings = z.record(z.string(), z.unknown());
export type RecipeSettings = z.infer<typeof RecipeSettings>;

const PlannedWeights = z.object({ id: z.string(), source: CatalogFile });

export const RunPlan = z.object({
  v: z.literal(1),
  runId: RunName,
  /** sha256 over everything that decides the final weights; a checkpoint of another hash is never resumed. */
  planHash: Sha256,
  recipe: z.object({ name: z.string(), sha256: Sha256, summary: RecipeSummary }),
  dataset: z.object({
    id: z.string(),
    /** sha256 over archives and splits; over what nobody publishes a hash of once it was fetched. */
    contentKey: Sha256,
    archives: z.array(CatalogArchive),
    train: DatasetSplit,
    val: DatasetSplit,
    classes: z.int().nullable(),
    extractImages: z.boolean(),
  }),
  weights: z.union([z.object({ backbone: PlannedWeights }), z.object({ detector: PlannedWeights })]),
  /** 0 for an evaluation: nothing is trained. */
  epochs: z.int(),
  gpus: z.int(),
  batchPerGpu: z.int(),
  seed: z.int(),
  loaderWorkers: z.int(),
  speed: SpeedSwitches,
  logEverySteps: z.int(),
  checkpoint: CheckpointPolicy,
  recovery: RecoveryPolicy,
  versions: Versions,
  references: z.array(ReferenceResult),
  /** As it was asked for: to start the same run again, and for all that does not decide the weights. */
  input: RunInput,
  /** Whether the recipe had to be read anew. */
  recipeOutcome: StepOutcome,
  /** Where the run can be watched in a browser of this machine; null where nothing serves it. */
  page: z.string().nullable(),
});
export type RunPlan = z.infer<typeof RunPlan>;

/** Checkpoints after this iteration that were written under this fence or an older one are not to be used any more. */
export const Rollback = z.object({ toIteration: z.int(), fence: z.int(), why: z.string() });
export type Rollback = z.infer<typeof Rollback>;

/** An object of the worker's store, by its hash. */
export const StoredFile = z.object({ file: z.string(), sha256: Sha256, bytes: z.int() });
export type StoredFile = z.infer<typeof StoredFile>;

/** A data set that training can read, on the disk of the worker that fetched it. */
export const FetchedDataset = z.object({
  /** Folder of dataset.json. */
  root: z.string(),
  contentKey: Sha256,
  archives: z.array(StoredFile),
  images: z.int(),
  instances: z.int(),
  classes: z.int(),
  warnings: z.array(z.string()),
  outcome: StepOutcome,
});
export type FetchedDataset = z.infer<typeof FetchedDataset>;

/** Weights that fit the recipe, as tensors and nothing else, on the disk of the worker that fetched them. */
export const FetchedWeights = z.object({
  path: z.string(),
  source: StoredFile,
  converted: StoredFile,
  parameters: z.int(),
  outcome: StepOutcome,
});
export type FetchedWeights = z.infer<typeof FetchedWeights>;
