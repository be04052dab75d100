/** What the worker keeps on disk beside the things it fetched and made. */
import { z } from 'zod';
import { StepOutcome } from './plan.ts';
import { Sha256 } from './primitives.ts';

/** How a file looked when its hash was last taken: no write goes by without changing ctime. */
export const FileMark = z.object({
  bytes: z.int(),
  inode: z.string(),
  mtimeNs: z.string(),
  ctimeNs: z.string(),
});
export type FileMark = z.infer<typeof FileMark>;

/** `store/objects/<aa>/<sha256>.json`, beside the object. */
export const ObjectManifest = z.object({
  v: z.literal(1),
  sha256: Sha256,
  /** What it was called where it came from. */
  name: z.string(),
  /** `fetched from …`, `packed from …`, `converted from …`. */
  origin: z.string(),
  createdAt: z.number(),
  mark: FileMark,
});
export type ObjectManifest = z.infer<typeof ObjectManifest>;

/** `runs/<id>/references.json`: what pruning must leave alone while the run's folder is there. */
export const RunReferences = z.object({
  v: z.literal(1),
  objects: z.array(Sha256),
  /** Content keys of prepared data sets. */
  datasets: z.array(Sha256),
});
export type RunReferences = z.infer<typeof RunReferences>;

/** `steps/<step>/<key>.json`: a step that was done, all that decided its result, and the result. */
export const StepRecord = z.object({
  v: z.literal(1),
  step: StepOutcome.shape.step,
  /** Of several records the one about the same thing tells what changed. */
  subject: z.string(),
  fields: z.record(z.string(), z.string()),
  output: z.unknown(),
  doneAt: z.number(),
});
export type StepRecord = z.infer<typeof StepRecord>;
