/** The model registry: immutable versions, and one pointer per model to the champion. */
import { z } from 'zod';
import { RunName } from './input.ts';
import { CocoMetrics } from './metrics.ts';
import { ModelName, VersionId } from './model-name.ts';
import { Sha256 } from './primitives.ts';

/** A file of a version, next to version.json. */
const VersionFile = z.object({
  file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
  sha256: Sha256,
  bytes: z.int(),
});
export type VersionFile = z.infer<typeof VersionFile>;

/** Hashes of everything that determines a trained model. Equal fingerprints give equal models. */
export const Fingerprint = z.object({ sha256: Sha256, parts: z.record(z.string(), z.string()) });
export type Fingerprint = z.infer<typeof Fingerprint>;

/** version.json: written last, so incomplete versions do not exist. Never changes. */
export const ModelVersion = z.object({
  v: z.literal(1),
  id: VersionId,
  model: ModelName,
  runId: RunName,
  createdAt: z.number(),
  recipe: z.object({ name: z.string(), sha256: Sha256 }),
  planHash: Sha256,
  fingerprint: Fingerprint,
  /** The complete detector as plain tensors. */
  weights: VersionFile,
  /** Data and code of its test. `trainerVersion` is absent in versions that an earlier everswin published. */
  test: z.object({
    annotationsSha256: Sha256,
    images: z.int(),
    trainerCode: Sha256,
    trainerVersion: z.string().optional(),
  }),
  bbox: CocoMetrics,
  segm: CocoMetrics,
  /** Address of the detector that the run left, and the hash of its model.pth; absent if it left none. */
  detector: z.object({ uri: z.string(), sha256: Sha256 }).optional(),
  files: z.array(VersionFile),
});
export type ModelVersion = z.infer<typeof ModelVersion>;

/** One change of the pointer. `evidence` is the sha256 of the gate verdict; null if a person decided without it. */
export const RegistryChange = z.object({
  at: z.number(),
  action: z.enum(['candidate', 'promote', 'reject', 'rollback']),
  version: VersionId,
  /** The champion before it. */
  from: VersionId.nullable(),
  who: z.string().max(200),
  why: z.string().max(2000),
  evidence: Sha256.nullable(),
});
export type RegistryChange = z.infer<typeof RegistryChange>;

/** models/<model>/state.json: replaced by conditional writes, so champion, candidate and history are consistent. */
export const RegistryState = z.object({
  v: z.literal(1),
  model: ModelName,
  champion: VersionId.nullable(),
  candidate: VersionId.nullable(),
  history: z.array(RegistryChange),
});
export type RegistryState = z.infer<typeof RegistryState>;
