/** COCO metrics of runs and references. */
import { z } from 'zod';
import { Score, Sha256 } from './primitives.ts';

/** The twelve COCOeval metrics at maxDets (100, 300, 1000), as MMDetection prints them; null without ground truth. */
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
  v: z.literal(1).describe('Version of the format.'),
  checkpoint: z.string().describe('Name of the tested file.'),
  checkpointSha256: Sha256.describe('Hash of the tested file.'),
  images: z.int().describe('Images of the split.'),
  bbox: CocoMetrics.describe('Box AP and AR in 0..1, by pycocotools; null without ground truth.'),
  segm: CocoMetrics.describe('Mask AP and AR in 0..1, by pycocotools; null without ground truth.'),
  seconds: z.number().describe('Duration of inference and evaluation.'),
});
export type EvalMetrics = z.infer<typeof EvalMetrics>;

/** A published or measured result to compare with. Unpublished numbers are absent. */
export const ReferenceResult = z.strictObject({
  label: z.string(),
  source: z.string(),
  bbox: CocoMetrics.partial(),
  segm: CocoMetrics.partial(),
});
export type ReferenceResult = z.infer<typeof ReferenceResult>;

/** configs/mmdet/metafile.json: facts about each recipe, by name. Every number names its source. */
export const RecipeFacts = z.record(
  z.string(),
  z.strictObject({
    title: z.string(),
    epochs: z.int().positive(),
    /** Batch size for which the learning rate was chosen; absent if unpublished. */
    batch: z.int().positive().optional(),
    /** Parameters of the complete model with the COCO classes. */
    parameters: z.int().positive().optional(),
    /** Memory of one GPU with this many images at a time; absent for a CPU. */
    trainingMemoryGb: z
      .strictObject({
        least: z.number().positive(),
        most: z.number().positive(),
        images: z.int().positive(),
        source: z.string(),
      })
      .optional(),
    /** Training speed over complete epochs with validation; absent if not measured. */
    speed: z
      .strictObject({
        hardware: z.string(),
        secondsPerEpoch: z.number().positive(),
        imagesPerEpoch: z.int().positive(),
        source: z.string(),
      })
      .optional(),
    /** Expected results, most comparable first; empty if none is published. */
    references: z.array(ReferenceResult),
  }),
);
export type RecipeFacts = z.infer<typeof RecipeFacts>;
