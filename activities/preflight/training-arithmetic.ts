import type { RunPlan } from '../../configs/schema/index.ts';

export type Batching = Pick<RunPlan, 'gpus' | 'batchPerGpu'>;

/** Images of one step, over all GPUs. */
export const totalBatch = ({ gpus, batchPerGpu }: Batching): number => gpus * batchPerGpu;

/**
 * Steps of an epoch, as MMDetection's samplers count them: each GPU gets the same number of images, some of them twice,
 * and the last batch may be short.
 * @param images that show an object: training leaves out the others.
 */
export const iterationsPerEpoch = (images: number, { gpus, batchPerGpu }: Batching): number =>
  Math.ceil(Math.ceil(images / gpus) / batchPerGpu);

/** AdamW keeps two moments of each parameter, all of them in 4 bytes. */
export const checkpointBytes = (parameters: number): number => parameters * 3 * 4;

/** The newest, the best, those at which the learning rate falls, and the one that is being written. */
export const checkpointsKept = ({ checkpoint, recipe }: Pick<RunPlan, 'checkpoint' | 'recipe'>): number =>
  checkpoint.keepLast + 1 + (checkpoint.milestones ?? recipe.summary.milestones).length + 1;
