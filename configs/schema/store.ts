/** Records of the worker's store: manifests, references and cached steps. */
import { z } from 'zod';
import { StepOutcome } from './plan.ts';
import { Sha256 } from './primitives.ts';

/** State of a file when its hash was computed. Every write changes ctime, so an equal mark means equal content. */
export const FileMark = z.object({
  bytes: z.int(),
  inode: z.string(),
  mtimeNs: z.string(),
  ctimeNs: z.string(),
});
export type FileMark = z.infer<typeof FileMark>;

/** `store/objects/<aa>/<sha256>.json`, next to the object. */
export const ObjectManifest = z.object({
  v: z.literal(1),
  sha256: Sha256,
  /** Name at its source. */
  name: z.string(),
  /** `fetched from …`, `packed from …`, `converted from …`. */
  origin: z.string(),
  createdAt: z.number(),
  mark: FileMark,
});
export type ObjectManifest = z.infer<typeof ObjectManifest>;

/** `runs/<id>/references.json`: objects that pruning keeps while the run folder exists. */
export const RunReferences = z.object({
  v: z.literal(1),
  objects: z.array(Sha256),
  /** Content keys of prepared data sets. */
  datasets: z.array(Sha256),
});
export type RunReferences = z.infer<typeof RunReferences>;

/** `steps/<step>/<key>.json`: a cached step with all fields that determine its result. */
export const StepRecord = z.object({
  v: z.literal(1),
  step: StepOutcome.shape.step,
  /** Identifies the record to compare with, to explain a cache miss. */
  subject: z.string(),
  fields: z.record(z.string(), z.string()),
  output: z.unknown(),
  doneAt: z.number(),
});
export type StepRecord = z.infer<typeof StepRecord>;
