/** Inputs and answers of the trainer's commands: the JSON files that `--spec` and `--out` name. */
import { z } from 'zod';
import { TrainingImage } from './analysis.ts';
import { DatasetSplit, MaskSource } from './catalog.ts';
import { SkipBadImages } from './input.ts';
import { RecipeSettings, RecipeSummary } from './plan.ts';
import { Sha256 } from './primitives.ts';

const version = z.literal(1).describe('Version of the format.');
const problems = z.array(z.string()).describe('One line per kind of problem, with a count and five examples.');
const warnings = z.array(z.string()).describe('Findings that do not reject the data set.');

/** A line that `prepare-dataset`, `pack-folder` and `gpu-check` print to stdout about once a second. */
export const StageProgress = z.object({
  stage: z.string().describe('`checking`, `extracting`, `packing`, or the variant of a GPU check.'),
  done: z.int().describe('Bytes done; steps of a GPU check.'),
  total: z.int().describe('Bytes in total; steps of a GPU check.'),
});
export type StageProgress = z.infer<typeof StageProgress>;

/** Answer of `recipe`. */
export const FlattenedRecipe = z.object({
  v: version,
  name: z.string().describe('File of configs/mmdet, without `.py`.'),
  text: z.string().describe('The recipe with everything that it inherits; itself a recipe.'),
  settings: RecipeSettings.describe('The same settings as JSON.'),
  sha256: Sha256.describe('Hash of `text`.'),
  maxEpochs: z.int().describe('Epochs of the schedule.'),
  summary: RecipeSummary.describe('The most important settings.'),
});
export type FlattenedRecipe = z.infer<typeof FlattenedRecipe>;

/** Answer of `convert-weights`. */
export const ConvertedWeights = z.object({
  v: version,
  ok: z.boolean().describe('Whether the weights fit and were converted.'),
  part: z.enum(['backbone', 'detector']).describe('Part of the model that was requested.'),
  rejected: z.string().optional().describe('Why the file cannot be used at all.'),
  source: z.object({ sha256: Sha256, bytes: z.int() }).describe('The file that was read.'),
  classes: z.int().nullish().describe('Classes of a detector; null when it has no box head.'),
  classNames: z
    .array(z.string())
    .nullish()
    .describe('Names of the classes in the order of the outputs; null when the file states none.'),
  result: z
    .object({ path: z.string(), sha256: Sha256, bytes: z.int() })
    .nullable()
    .describe('The converted file; null when it was not written.'),
  parameters: z.int().describe('Number of parameters, batch statistics included.'),
  missing: z.array(z.string()).describe("Keys of the recipe's model that the file lacks."),
  unexpected: z.array(z.string()).describe("Keys of the file that the recipe's model lacks."),
  mismatched: z
    .array(z.object({ key: z.string(), expected: z.array(z.int()), actual: z.array(z.int()) }))
    .describe('Keys whose shapes differ.'),
  network: z.enum(['isolated', 'not isolated']).describe('`not isolated` when the kernel refuses network namespaces.'),
});
export type ConvertedWeights = z.infer<typeof ConvertedWeights>;

/** Input of `export-detector`. */
export const DetectorSpec = z.object({
  v: version,
  title: z.string().describe('First line of config.py.'),
  recipe: z.string().describe('Path of the recipe, as a file of configs/mmdet or flattened.'),
  weights: z.string().describe('Path of a checkpoint, or of a file that `convert-weights --part detector` wrote.'),
  classes: z.array(z.string()).describe('Class names in the order of the labels.'),
  categoryIds: z.array(z.number()).nullable().describe('Ids of the classes in the annotations; null to read them.'),
  annotations: z.string().nullable().describe('Path of annotations with these ids; null to count them from 1.'),
  card: z.string().describe('Text of MODEL_CARD.md.'),
});
export type DetectorSpec = z.infer<typeof DetectorSpec>;

/** Answer of `export-detector`. */
export const ExportedDetector = z.object({
  v: version,
  categoryIds: z.array(z.number()).describe('Ids of the classes, in the order of `classes`.'),
  files: z.array(z.object({ file: z.string(), sha256: Sha256, bytes: z.int() })).describe('All files of the folder.'),
});
export type ExportedDetector = z.infer<typeof ExportedDetector>;

/** Answer of `predict`. */
export const Predictions = z.discriminatedUnion('ok', [
  z
    .object({
      v: version,
      ok: z.literal(true),
      images: z
        .array(
          z.object({
            file: z.string(),
            picture: z.string(),
            width: z.int(),
            height: z.int(),
            found: z.record(z.string(), z.int()),
          }),
        )
        .describe('Images in the order of images.json: name, path of the picture, size, detections by class.'),
      detections: z.int().describe('Number of detections in results.json.'),
      skipped: z
        .array(z.object({ file: z.string(), reason: z.string() }))
        .describe('Images and sources without a prediction.'),
      seconds: z.number().describe('Duration of the prediction.'),
    })
    .describe('images.json, results.json and the pictures are written.'),
  z
    .object({ v: version, ok: z.literal(false), problem: z.string().describe('Why nothing can be predicted.') })
    .describe('Nothing was predicted.'),
]);
export type Predictions = z.infer<typeof Predictions>;

/** Answer of `show-batch`. */
export const ShownBatch = z.discriminatedUnion('ok', [
  z
    .object({
      v: version,
      ok: z.literal(true),
      images: z
        .array(TrainingImage)
        .describe('First images of the training: step, name, sizes, whether it is flipped, number of objects.'),
    })
    .describe('The picture is written.'),
  z
    .object({ v: version, ok: z.literal(false), problem: z.string().describe('Why the images cannot be read.') })
    .describe('There is no picture.'),
]);
export type ShownBatch = z.infer<typeof ShownBatch>;

const PixelSize = z.object({ width: z.int(), height: z.int() });

/** Answer of `export-onnx`. */
export const OnnxExport = z.discriminatedUnion('ok', [
  z
    .object({
      v: version,
      ok: z.literal(true),
      input: PixelSize.describe('Size of the input of the graph.'),
      fit: PixelSize.describe('Size that a picture must fit, before padding.'),
      bytes: z.int().describe('Size of the file.'),
      pictures: z.enum(['validation', 'named', 'random']).describe('Pictures on which both programs were compared.'),
      images: z.int().describe('Number of these pictures.'),
      detections: z.int().describe('Number of detections in them.'),
      largest: z
        .object({ scores: z.number(), boxes: z.number(), masks: z.number() })
        .describe('Largest difference of onnxruntime and MMDetection in scores, pixels of boxes, mask probabilities.'),
      seconds: z.number().describe('Duration of export and comparison.'),
    })
    .describe('The file is written.'),
  z
    .object({ v: version, ok: z.literal(false), problem: z.string().describe('Why it cannot be exported.') })
    .describe('The file is not valid.'),
]);
export type OnnxExport = z.infer<typeof OnnxExport>;

const Archive = z.object({ path: z.string(), sha256: Sha256, bytes: z.int(), files: z.int().nullable() });

/** Input of `prepare-dataset`. */
export const DatasetSpec = z.object({
  v: version,
  contentKey: Sha256.describe('Identifies archives and splits; a prepared folder with the same key is reused.'),
  archives: z
    .record(z.string(), Archive)
    .describe('Fetched and verified files by name; `files` counts regular files, null when unknown.'),
  splits: z
    .object({ train: DatasetSplit, val: DatasetSplit })
    .describe('`images` and `annotations` are `NAME` or `NAME/path inside`; `counts` is null when unpublished.'),
  classes: z.int().nullable().describe('Number of classes that the annotations must have; null for any.'),
  extract: z.boolean().describe('Extracts the images as files.'),
  skipBadImages: SkipBadImages.optional().describe(
    'Leaves out images that training cannot use: at most this many, or those with these `file_name`s.',
  ),
  decode: z
    .union([z.int(), z.literal('all')])
    .optional()
    .describe('Images to decode completely. Without it, all images of an archive up to 64 MiB, otherwise 32.'),
  masks: MaskSource.optional().describe('`from-boxes`: the box of an object without outline is its mask.'),
});
export type DatasetSpec = z.infer<typeof DatasetSpec>;

/** Input of `inspect-archives`. */
export const ArchivesSpec = z.object({
  v: version,
  files: z.record(z.string(), z.string()).describe('Paths of the local files by name.'),
  splits: z
    .object({ train: DatasetSplit, val: DatasetSplit })
    .describe('`images` and `annotations` are `NAME` or `NAME/path inside`.'),
});
export type ArchivesSpec = z.infer<typeof ArchivesSpec>;

/** Answer of `inspect-archives`. */
export const InspectedArchives = z.object({ v: version, problems });
export type InspectedArchives = z.infer<typeof InspectedArchives>;

const SplitCounts = z.object({ train: z.int(), val: z.int() });

/** Answer of `prepare-dataset`. */
export const PreparedDataset = z.discriminatedUnion('ok', [
  z
    .object({
      v: version,
      ok: z.literal(true),
      problems: problems.max(0),
      warnings,
      images: SplitCounts.describe('Images of each split.'),
      instances: SplitCounts.describe('Objects of each split.'),
      usableImages: SplitCounts.describe('Images that training loads, or that validation scores.'),
      usableObjects: SplitCounts.describe('Objects that training learns from, or that validation scores.'),
      masksFromBoxes: SplitCounts.describe('Objects whose mask was made from their box.'),
      classes: z.int().describe('Number of classes.'),
      decoded: z.int().describe('Images that were decoded completely.'),
      files: z.int().describe('Regular files in all archives.'),
      bytes: z.int().describe('Size of all archives.'),
      reused: z.boolean().describe('The folder existed and was valid.'),
      seconds: z.number().describe('Duration.'),
      preparedAt: z.number().describe('Time of the answer, in Unix seconds.'),
    })
    .describe('The data set is ready.'),
  z
    .object({
      v: version,
      ok: z.literal(false),
      problems,
      warnings,
      seconds: z.number().describe('Duration.'),
      preparedAt: z.number().describe('Time of the answer, in Unix seconds.'),
    })
    .describe('The data set cannot be used.'),
]);
export type PreparedDataset = z.infer<typeof PreparedDataset>;

/** Answer of `pack-folder`. */
export const PackedFolder = z.discriminatedUnion('ok', [
  z
    .object({
      v: version,
      ok: z.literal(true),
      problems: problems.max(0),
      sha256: Sha256.describe('Hash of the archive.'),
      bytes: z.int().describe('Size of the archive.'),
      files: z.int().describe('Files in the archive.'),
      seconds: z.number().describe('Duration.'),
    })
    .describe('The archive is written.'),
  z
    .object({ v: version, ok: z.literal(false), problems, seconds: z.number().describe('Duration.') })
    .describe('The folder cannot be packed.'),
]);
export type PackedFolder = z.infer<typeof PackedFolder>;

const ImportedSplit = z.object({
  images: z.string().describe('Folder or zip file of the images, as in `data` of a run file.'),
  annotations: z.string().describe('Annotations, as in `data` of a run file.'),
  imageCount: z.int().describe('Number of images.'),
  objectCount: z.int().describe('Number of objects.'),
  label: z.string().describe('Where the annotations came from, for people.'),
});
type ImportedSplit = z.infer<typeof ImportedSplit>;

/** Answer of `import-dataset`. */
export const ImportedDataset = z.discriminatedUnion('ok', [
  z
    .object({
      v: version,
      ok: z.literal(true),
      problems: problems.max(0),
      warnings,
      format: z.string().describe('Format that was recognized.'),
      notes: z.array(z.string()).describe('What was decided, changed or left out.'),
      splits: z.object({ train: ImportedSplit, val: ImportedSplit }).describe('Images and annotations to train on.'),
      classes: z
        .array(z.object({ name: z.string(), train: z.int(), val: z.int() }))
        .describe('Objects of each class in each split.'),
      preview: z.string().describe('Picture of some images with their masks.'),
    })
    .describe('The data set can be trained on.'),
  z
    .object({ v: version, ok: z.literal(false), problems, warnings })
    .describe('Nothing was recognized, or the data cannot be used.'),
]);
export type ImportedDataset = z.infer<typeof ImportedDataset>;

/** Answer of `machine`. */
export const TrainerFacts = z.object({
  v: version,
  python: z.string().describe('Version of Python.'),
  packages: z.record(z.string(), z.string().nullable()).describe('Versions of packages; null when missing.'),
  cuda: z.string().nullable().describe('CUDA version that torch was built for; null for a CPU build.'),
  cudaDevices: z.int().describe('Number of GPUs that the driver reports.'),
  nccl: z.string().nullable().describe('Version of NCCL; null when missing.'),
  compiledOps: z.boolean().describe("Whether mmcv's operators are compiled; otherwise torchvision's are used."),
  memoryBytes: z.int().describe('Memory of the machine, or the lowest limit of a cgroup around the process.'),
});
export type TrainerFacts = z.infer<typeof TrainerFacts>;
