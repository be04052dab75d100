/** Analysis of a test, next to metrics.json. Names come from the data and are plain text. */
import { z } from 'zod';
import { Score, Sha256 } from './primitives.ts';

/** Name of a class or file in the data. The trainer cuts longer ones. */
const Name = z.string().max(200);

/** Precision at recall 0, 0.01 … 1, interpolated as in COCO; null without ground truth. */
export const PrecisionCurve = z.array(z.number().min(0).max(1)).length(101).nullable();
export type PrecisionCurve = z.infer<typeof PrecisionCurve>;

/** 95 % bootstrap interval over images: the spread of resamples, centered on the score; null without ground truth. */
const Interval = z.tuple([z.number().min(0).max(1), z.number().min(0).max(1)]).nullable();
type Interval = z.infer<typeof Interval>;

const Share = z.number().min(0).max(1);
const Count = z.int().min(0);

/** Score threshold with the highest F1 at IoU 0.5, the middle one of several, and the scores at it. */
const SuggestedThreshold = z.object({ score: Share, precision: Share, recall: Share, f1: Share });
export type SuggestedThreshold = z.infer<typeof SuggestedThreshold>;

/** Detections of a class at IoU 0.5 with a score of at least 0, 0.01 … 1, without those on crowds. */
const ThresholdCounts = z.object({ correct: z.array(Count).length(101), wrong: z.array(Count).length(101) });
export type ThresholdCounts = z.infer<typeof ThresholdCounts>;

const ClassScores = z.object({
  AP: Score,
  AP50: Score,
  interval: Interval,
  /** Curve at IoU 0.5; also null with more than 200 classes. */
  curve: PrecisionCurve,
  /** Null without ground truth or correct detections; absent in files of earlier versions. */
  suggested: SuggestedThreshold.nullish(),
  /** Null with more than 200 classes; absent in files of earlier versions. */
  counts: ThresholdCounts.nullish(),
});

/** Scores of one class. Classes have the order of the data; crowds do not count as instances. */
export const ClassAnalysis = z.object({
  name: Name,
  images: z.int().min(0),
  instances: z.int().min(0),
  bbox: ClassScores,
  segm: ClassScores,
});
export type ClassAnalysis = z.infer<typeof ClassAnalysis>;

/**
 * Error types of TIDE (Bolya et al., ECCV 2020, arXiv:2008.08115). A detection that matches no new object at IoU 0.5 is
 * one of: localization (right class, IoU 0.1 to 0.5), class (wrong class, IoU of at least 0.5), both (wrong class, IoU
 * 0.1 to 0.5), duplicate (its object already has a match), background (IoU of at most 0.1 with every object). An object
 * is missed if no detection matches it and no localization or class error covers it.
 */
export const errorKinds = ['localization', 'class', 'both', 'duplicate', 'background', 'missed'] as const;
export type ErrorKind = (typeof errorKinds)[number];

/** Counts by COCO's sizes, split at 32 x 32 and 96 x 96 pixels: size of the object, or of the detection without one. */
const BySize = z.object({ small: Count, medium: Count, large: Count });

const ErrorAnalysis = z.object({
  /** Ground truth objects, without crowds. */
  objects: BySize,
  /** Objects found by detections that reach `scoreThreshold`, which `kinds[].count` also use. */
  found: BySize,
  kinds: z.record(
    z.enum(errorKinds),
    z.object({
      count: BySize,
      /** Gain in AP50 if errors of this kind alone were fixed (TIDE's dAP, over all detections). */
      ap50Lost: Score,
    }),
  ),
});
export type ErrorAnalysis = z.infer<typeof ErrorAnalysis>;

/** A box of the gallery: x, y, width, height in pixels of the picture, not of the image. */
const Shown = z.object({
  class: Name,
  box: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  /** Polygons as x1, y1, x2, y2 … in pixels of the picture. Includes holes: fill by the even-odd rule. */
  outlines: z.array(z.array(z.int()).max(400)).max(20),
});

/** An image with ground truth and predictions that reach `scoreThreshold`, matched by mask at IoU 0.5. */
export const GalleryImage = z.object({
  group: z.enum(['best', 'worst', 'random']),
  fileName: Name,
  /** Id in the annotation file, an integer. JavaScript reads ids above 2^53 inexactly, so use `fileName` instead. */
  imageId: z.number(),
  /** Width of the original image. */
  width: z.int().positive(),
  height: z.int().positive(),
  /** 2 x correct / (objects + predictions). */
  f1: z.number().min(0).max(1),
  picture: z.object({
    /** Width and height are at most 480 pixels. */
    width: z.int().positive().max(480),
    height: z.int().positive().max(480),
    /** JPEG file in base64. */
    image: z.base64().max(200_000).optional(),
    /** Earlier versions wrote two JPEG files instead, with masks and boxes drawn on them. */
    truth: z.base64().max(200_000).optional(),
    predictions: z.base64().max(200_000).optional(),
  }),
  /** Objects without crowds. `found`: a prediction is correct; `foundScore` is the score of this prediction. */
  truth: z.array(Shown.extend({ found: z.boolean(), foundScore: Share.optional() })).max(100),
  predictions: z
    .array(
      Shown.extend({
        score: Share,
        /** `ignored`: the prediction lies on a crowd. */
        outcome: z.enum(['correct', 'ignored', 'localization', 'class', 'both', 'duplicate', 'background']),
        /** Largest IoU with an object. */
        iou: Share.optional(),
        /** Class of the object, for the outcomes `class` and `both`. */
        trueClass: Name.optional(),
      }),
    )
    .max(100),
});
export type GalleryImage = z.infer<typeof GalleryImage>;

/** Means over the classes with ground truth, for score thresholds of 0, 0.01 … 1 at IoU 0.5. */
const OverallThresholds = z.object({
  precision: z.array(Share).length(101),
  recall: z.array(Share).length(101),
  f1: z.array(Share).length(101),
  suggested: SuggestedThreshold.nullable(),
});
export type OverallThresholds = z.infer<typeof OverallThresholds>;

/**
 * Cells above 0 of the confusion matrix as [actual class, predicted class, count], largest first. Classes are indices;
 * the number of classes stands for the background. Detections that reach `scoreThreshold` match, by descending score,
 * the unmatched object of largest IoU, at least 0.5, whatever its class.
 */
const ConfusionCells = z.array(z.tuple([Count, Count, Count])).max(20_000);
export type ConfusionCells = z.infer<typeof ConfusionCells>;

/** Objects of a split, without crowds. */
const SplitDistribution = z.object({
  images: Count,
  /** Images without objects. */
  emptyImages: Count,
  /** Number of objects of each class. */
  objects: z.array(Count).max(5000),
  sizes: BySize,
});
export type SplitDistribution = z.infer<typeof SplitDistribution>;

const Size = z.object({ width: z.int().positive(), height: z.int().positive() });

/** One of the first images of a training, as the augmentation made it. */
export const TrainingImage = z.object({
  /** Step of the first epoch, from 1. */
  step: z.int().positive(),
  fileName: Name,
  original: Size,
  augmented: Size,
  /** Size in the batch, whose images are padded to one size. */
  padded: Size,
  flipped: z.boolean(),
  /** Objects without crowds that the augmentation left. */
  objects: Count,
});
export type TrainingImage = z.infer<typeof TrainingImage>;

/** The first images of a training with boxes, masks and class names drawn on them. */
const TrainingBatch = z.object({
  /** Seed of the run, which decides images and augmentation. */
  seed: z.int(),
  images: z
    .array(
      TrainingImage.extend({
        picture: z.object({
          width: z.int().positive().max(640),
          height: z.int().positive().max(640),
          /** JPEG file in base64. */
          image: z.base64().max(200_000),
        }),
      }),
    )
    .max(8),
});
export type TrainingBatch = z.infer<typeof TrainingBatch>;

const OverallCurves = z.object({ iou50: PrecisionCurve, iou75: PrecisionCurve, mean: PrecisionCurve });
const Intervals = z.object({ AP: Interval, AP50: Interval, AP75: Interval });

/** analysis.json of the test job: a few MB at most. */
export const Analysis = z.object({
  v: z.literal(1),
  checkpointSha256: Sha256,
  annotationsSha256: Sha256,
  images: z.int().min(0),
  classes: z.array(ClassAnalysis).max(5000),
  /** Means over the classes with ground truth. */
  curves: z.object({ bbox: OverallCurves, segm: OverallCurves }),
  /** Lowest score of detections that are counted or shown one by one. */
  scoreThreshold: z.number().min(0).max(1),
  errors: z.object({ bbox: ErrorAnalysis, segm: ErrorAnalysis }),
  /** Null without ground truth. This and the next two are absent in files of earlier versions. */
  thresholds: z.object({ bbox: OverallThresholds.nullable(), segm: OverallThresholds.nullable() }).optional(),
  confusion: z.object({ bbox: ConfusionCells, segm: ConfusionCells }).optional(),
  /** `train` is null if the prepared data set holds no samples. */
  distribution: z.object({ train: SplitDistribution.nullable(), val: SplitDistribution }).optional(),
  /** Null if it could not be drawn; absent without a training and in files of earlier versions. */
  trainingBatch: TrainingBatch.nullish(),
  /** Rule that chose the gallery, as one sentence. At most 16 images of each group are chosen. */
  galleryRule: z.string().max(500),
  gallery: z.array(GalleryImage).max(48),
  /** 95 % intervals over images; null with too few images. */
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
 * bootstrap.json: the scores of each resample of the test images. Runs with equal annotations, seed and count share the
 * images of the n-th resample, so the differences between their n-th scores form a paired bootstrap.
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
