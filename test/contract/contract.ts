/** The contract between TypeScript and the trainer, as JSON Schema: trainer/contract/<name>.schema.json. */
import { z } from 'zod';
import * as schemas from '../../configs/schema/index.ts';

interface ContractPart {
  schema: z.ZodType;
  /** The file or command, for people. */
  title: string;
}

/** Everything that crosses between TypeScript and the trainer, by the name of its schema file. */
export const contract: Record<string, ContractPart> = {
  plan: { schema: schemas.TrainerPlan, title: 'plan.json: the fields that the trainer reads' },
  control: { schema: schemas.TrainerControl, title: 'control.json' },
  owner: { schema: schemas.TrainerOwner, title: 'owner.json' },
  waiting: { schema: schemas.GpuWait, title: 'waiting.json' },
  exit: { schema: schemas.TrainerExit, title: 'exit.json' },
  'progress-event': { schema: schemas.TrainerEvent, title: 'A line of progress.jsonl' },
  checkpoint: { schema: schemas.CheckpointManifest, title: 'Manifest of a checkpoint' },
  metrics: { schema: schemas.EvalMetrics, title: 'metrics.json' },
  analysis: { schema: schemas.Analysis, title: 'analysis.json' },
  bootstrap: { schema: schemas.Bootstrap, title: 'bootstrap.json' },
  'dataset-spec': { schema: schemas.DatasetSpec, title: 'Input of prepare-dataset' },
  'prepare-dataset': { schema: schemas.PreparedDataset, title: 'Answer of prepare-dataset' },
  'import-dataset': { schema: schemas.ImportedDataset, title: 'Answer of import-dataset' },
  'archives-spec': { schema: schemas.ArchivesSpec, title: 'Input of inspect-archives' },
  'inspect-archives': { schema: schemas.InspectedArchives, title: 'Answer of inspect-archives' },
  'pack-folder': { schema: schemas.PackedFolder, title: 'Answer of pack-folder' },
  'convert-weights': { schema: schemas.ConvertedWeights, title: 'Answer of convert-weights' },
  'detector-spec': { schema: schemas.DetectorSpec, title: 'Input of export-detector' },
  'export-detector': { schema: schemas.ExportedDetector, title: 'Answer of export-detector' },
  predict: { schema: schemas.Predictions, title: 'Answer of predict' },
  'export-onnx': { schema: schemas.OnnxExport, title: 'Answer of export-onnx' },
  'show-batch': { schema: schemas.ShownBatch, title: 'Answer of show-batch' },
  recipe: { schema: schemas.FlattenedRecipe, title: 'Answer of recipe' },
  machine: { schema: schemas.TrainerFacts, title: 'Answer of machine' },
  'gpu-check': { schema: schemas.GpuCheck, title: 'Answer of gpu-check' },
  'gpu-check-bundle': { schema: schemas.GpuCheckBundle, title: 'Answer of gpu-check-bundle' },
  'gpu-health': { schema: schemas.GpuHealth, title: 'Answer of gpu-health' },
  'gpu-leases': { schema: schemas.GpuLeases, title: 'Answer of gpu-leases' },
  'stage-progress': { schema: schemas.StageProgress, title: 'A line of progress on stdout' },
};

/** A JSON Schema, as far as the field tables need it. */
export const JsonSchema = z.looseObject({
  description: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  pattern: z.string().optional(),
  required: z.array(z.string()).optional(),
  get properties() {
    return z.record(z.string(), JsonSchema).optional();
  },
  get items() {
    return z.union([JsonSchema, z.boolean()]).optional();
  },
  get anyOf() {
    return z.array(JsonSchema).optional();
  },
  get oneOf() {
    return z.array(JsonSchema).optional();
  },
});
export type JsonSchema = z.infer<typeof JsonSchema>;

/** Returns the JSON Schema of one part. Objects are strict, so that a field renamed on one side fails a test. */
export function toJsonSchema({ schema, title }: ContractPart): Record<string, unknown> {
  const generated = z.toJSONSchema(schema, {
    override: ({ jsonSchema }) => {
      // The bounds of a safe integer say nothing to a reader.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  const { $schema, ...rest } = generated;
  return { $schema, title, ...rest };
}
