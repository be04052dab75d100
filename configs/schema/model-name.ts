/** Names of models and of their versions. */
import { z } from 'zod';
import { safeName } from './primitives.ts';

/** Name of a model. Short, because run names of at most 63 characters contain it. */
export const ModelName = safeName('the model').max(22);
export type ModelName = z.infer<typeof ModelName>;

/** Id of a version: name of its run, and the first 12 digits of the sha256 of its weights. */
export const VersionId = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}@[0-9a-f]{12}$/);
export type VersionId = z.infer<typeof VersionId>;

export const versionId = (runId: string, weightsSha256: string): VersionId => `${runId}@${weightsSha256.slice(0, 12)}`;
