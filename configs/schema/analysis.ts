/** Why the numbers are what they are: what the test stage leaves beside metrics.json. All names come from data: plain text. */
import { z } from 'zod';
import { Score, Sha256 } from './primitives.ts';

/** From data: a class, a file. The trainer cuts what is longer. */
const Name = z.string().max(200);

/** Precision at recall 0, 0.01 … 1, as COCO interpolates it; null where there is no ground truth. */
export const PrecisionCurve = z.array(z.number().min(0).max(1)).length(101).nullable();
export type PrecisionCurve = z.infer<typeof PrecisionCurve>;

/** 95 %, by bootstrap over images: the spread of resamples laid around the score; null where there is no ground truth. */
const Interval = z.tuple([z.number().min(0).max(1), z.number().min(0).max(1)]).nullable();
type Interval = z.infer<typeof Interval>;

const ClassScores = z.object({
  AP: Score,
  AP50: Score,
  interval: Interval,
  /** At IoU 0.5; null also where there are more than 200 classes. */
  curve: PrecisionCurve,
});

/** One class, in the order of the data. Crowds are no instances. */
export const ClassAnalysis = z.object({
  name: Name,
  images: z.int().min(0),
  instances: z.int().min(0),
  bbox: ClassScores,
  segm: ClassScores,
});
export type ClassAnalysis = z.infer<typeof ClassAnalysis>;

/**
 * TIDE's kinds (Bolya et al., ECCV 2020, arXiv:2008.08115), of a detection that found nothing new at IoU 0.5:
 * localization (right class, overlap 0.1 to 0.5), class (wrong class, overlap from 0.5 on), both (wrong class, overlap 0.1 to 0.5),
 * duplicate (its object was found already), background (overlap up to 0.1 with everything); missed is an object that no
 * detection found and no localization or class error stands for.
 */
export const errorKinds = ['localization', 'class', 'both', 'duplicate', 'background', 'missed'] as const;
export type ErrorKind = (typeof errorKinds)[number];

/** By COCO's sizes, 32 x 32 and 96 x 96 pixels: of the object concerned; of the detection where there is none. */
const BySize = z.object({ small: z.int().min(0), medium: z.int().min(0), large: z.int().min(0) });

const ErrorAnalysis = z.object({
  /** Objects in the ground truth without crowds. */
  objects: BySize,
  /** Objects found, counting detections from `scoreThreshold` on, as all of `kinds[].count` do. */
  found: BySize,
  kinds: z.record(
    z.enum(errorKinds),
    z.object({
      count: BySize,
      /** By how much AP50 would rise if errors of this kind alone were mended (TIDE's dAP, over all detections). */
      ap50Lost: Score,
    }),
  ),
});
export type ErrorAnalysis = z.infer<typeof ErrorAnalysis>;

/** A box of the gallery: pixels of the picture, not of the image; x, y, width, height. */
const Shown = z.object({
  class: Name,
  box: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  /** Polygons as x1, y1, x2, y2 …, whole pixels of the picture; holes too, so fill them by the even-odd rule. */
  outlines: z.array(z.array(z.int()).max(400)).max(20),
});

/** An image with what was to find and what was found, from `scoreThreshold` on, by mask at IoU 0.5. */
export const GalleryImage = z.object({
  group: z.enum(['best', 'worst', 'random']),
  fileName: Name,
  imageId: z.int(),
  /** Of the image. */
  width: z.int().positive(),
  height: z.int().positive(),
  /** 2 x correct / (objects + predictions). */
  f1: z.number().min(0).max(1),
  picture: z.object({
    /** At most 480. */
    width: z.int().positive().max(480),
    height: z.int().positive().max(480),
    /** JPEG files in base64 with masks and boxes drawn in, without any text. */
    truth: z.base64().max(200_000),
    predictions: z.base64().max(200_000),
  }),
  /** Crowds are left out. `found`: a prediction is right about it. */
  truth: z.array(Shown.extend({ found: z.boolean() })).max(100),
  predictions: z
    .array(
      Shown.extend({
        score: z.number().min(0).max(1),
        /** `ignored`: it lies on a crowd. */
        outcome: z.enum(['correct', 'ignored', 'localization', 'class', 'both', 'duplicate', 'background']),
      }),
    )
    .max(100),
});
export type GalleryImage = z.infer<typeof GalleryImage>;

const OverallCurves = z.object({ iou50: PrecisionCurve, iou75: PrecisionCurve, mean: PrecisionCurve });
const Intervals = z.object({ AP: Interval, AP50: Interval, AP75: Interval });

/** analysis.json of the test job, at most a few MB. */
export const Analysis = z.object({
  v: z.literal(1),
  checkpointSha256: Sha256,
  annotationsSha256: Sha256,
  images: z.int().min(0),
  classes: z.array(ClassAnalysis).max(5000),
  /** Means over the classes that have ground truth. */
  curves: z.object({ bbox: OverallCurves, segm: OverallCurves }),
  /** What counts as said by the model where single detections are counted or shown. */
  scoreThreshold: z.number().min(0).max(1),
  errors: z.object({ bbox: ErrorAnalysis, segm: ErrorAnalysis }),
  /** At most 4 of each group; the rule by which they were chosen, in a sentence. */
  galleryRule: z.string().max(500),
  gallery: z.array(GalleryImage).max(12),
  /** 95 % intervals over images; null where there are too few images to draw from. */
  bootstrap: z
    .object({
      resamples: z.int().positive(),
      seed: z.int(),
      bbox: Intervals,
      segm: Intervals,
      seconds: z.number().min(0),
    })
    .nullable(),
  seconds: z.number().min(0),
});
export type Analysis = z.infer<typeof Analysis>;

const Replicates = z.array(Score).max(10_000);
const KindReplicates = z.object({
  AP: Replicates,
  AP50: Replicates,
  AP75: Replicates,
  /** AP of each class, in the order of `classes`. */
  classes: z.array(Replicates).max(5000),
});

/**
 * bootstrap.json: the scores of each resample of the test's images. The n-th resample is the same images in every run of the same
 * annotations, seed and count, so that the differences of two runs' n-th scores are a paired bootstrap of their difference.
 */
export const Bootstrap = z.object({
  v: z.literal(1),
  checkpointSha256: Sha256,
  annotationsSha256: Sha256,
  images: z.int().positive(),
  seed: z.int(),
  resamples: z.int().positive(),
  classes: z.array(Name).max(5000),
  bbox: KindReplicates,
  segm: KindReplicates,
});
export type Bootstrap = z.infer<typeof Bootstrap>;
