/** What COCO measures. */
import { z } from 'zod';
import { Score, Sha256 } from './primitives.ts';

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
  v: z.literal(1).describe('Version of the format.'),
  checkpoint: z.string().describe('Name of the tested file.'),
  checkpointSha256: Sha256.describe('Hash of the tested file.'),
  images: z.int().describe('Images of the split.'),
  bbox: CocoMetrics.describe('Box AP and AR in 0..1, by pycocotools; null without ground truth.'),
  segm: CocoMetrics.describe('Mask AP and AR in 0..1, by pycocotools; null without ground truth.'),
  seconds: z.number().describe('Duration of inference and evaluation.'),
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

/** configs/mmdet/metafile.json: what is known of each recipe, by its name. Every number says where it comes from. */
export const RecipeFacts = z.record(
  z.string(),
  z.strictObject({
    title: z.string(),
    epochs: z.int().positive(),
    /** Images of one step for which the learning rate was chosen; absent where nobody has said. */
    batch: z.int().positive().optional(),
    /** Of the whole model, with COCO's classes. */
    parameters: z.int().positive().optional(),
    /** Of one GPU with so many images at a time; absent for a CPU. */
    trainingMemoryGb: z
      .strictObject({
        least: z.number().positive(),
        most: z.number().positive(),
        images: z.int().positive(),
        source: z.string(),
      })
      .optional(),
    /** Of whole epochs, with validation; absent where nobody has measured. */
    speed: z
      .strictObject({
        hardware: z.string(),
        secondsPerEpoch: z.number().positive(),
        imagesPerEpoch: z.int().positive(),
        source: z.string(),
      })
      .optional(),
    /** What may be expected, the nearest first; none where nobody published one. */
    references: z.array(ReferenceResult),
  }),
);
export type RecipeFacts = z.infer<typeof RecipeFacts>;
