import type { RecipeSummary, RunPlan } from '../../configs/schema/index.ts';

type Batching = Pick<RunPlan, 'gpus' | 'batchPerGpu'>;

/** Returns the number of images per step over all GPUs. */
export const totalBatch = ({ gpus, batchPerGpu }: Batching): number => gpus * batchPerGpu;

/**
 * Returns the steps per epoch of MMDetection's samplers: each GPU gets the same number of images, some of them twice,
 * and the last batch may be smaller.
 * @param images with at least one annotation; training ignores the others.
 */
export const iterationsPerEpoch = (images: number, { gpus, batchPerGpu }: Batching): number =>
  Math.ceil(Math.ceil(images / gpus) / batchPerGpu);

/**
 * Estimates the checkpoint size: AdamW stores two moments per parameter, a moving average of the weights is a second copy
 * of them, and each value takes 4 bytes.
 */
export const checkpointBytes = (parameters: number, { weightAverage }: Pick<RecipeSummary, 'weightAverage'>): number =>
  parameters * (weightAverage === undefined ? 3 : 4) * 4;

/** Counts the kept checkpoints: the newest, the best, one per learning-rate milestone, and the one being written. */
export const checkpointsKept = ({ checkpoint, recipe }: Pick<RunPlan, 'checkpoint' | 'recipe'>): number =>
  checkpoint.keepLast + 1 + (checkpoint.milestones ?? recipe.summary.milestones).length + 1;
