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

/** configs/mmdet/metafile.json: what is known of each recipe, by its name. What nobody published or measured is absent. */
export const RecipeFacts = z.record(
  z.string(),
  z.strictObject({
    title: z.string(),
    /** Images of one step for which the learning rate was chosen. */
    batch: z.int().optional(),
    /** Of the whole model. */
    parameters: z.int().optional(),
    trainingMemory: z.strictObject({ gigabytes: z.number(), imagesPerGpu: z.int(), source: z.string() }).optional(),
    /** Of whole epochs, with validation. */
    speed: z
      .strictObject({
        hardware: z.string(),
        secondsPerEpoch: z.number(),
        imagesPerEpoch: z.int(),
        source: z.string(),
      })
      .optional(),
    references: z.array(ReferenceResult),
  }),
);
export type RecipeFacts = z.infer<typeof RecipeFacts>;
