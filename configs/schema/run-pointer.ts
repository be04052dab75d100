import { z } from 'zod';
import { CheckpointManifest, Sha256 } from './index.ts';

/** What the local artifact store records of an object. */
export const RecordedObject = z.object({
  v: z.literal(1),
  bytes: z.int().nonnegative(),
  sha256: Sha256,
});
export type RecordedObject = z.infer<typeof RecordedObject>;

/** What remains of a multipart upload that was killed: which upload, and of what. */
export const UploadState = RecordedObject.extend({ uploadId: z.string().min(1), partBytes: z.int().positive() });
export type UploadState = z.infer<typeof UploadState>;

const MirroredCheckpoint = CheckpointManifest.pick({
  file: true,
  bytes: true,
  sha256: true,
  epoch: true,
  iteration: true,
  planHash: true,
  fence: true,
});
export type MirroredCheckpoint = z.infer<typeof MirroredCheckpoint>;

/** `runs/<runId>/latest.json`: the checkpoints that are whole in the store, newest first, and who put them there. */
export const RunPointer = z.object({
  v: z.literal(1),
  /** Of the attempt that mirrors; one with a lower fence gives up. */
  fence: z.int().nonnegative(),
  host: z.string(),
  checkpoints: z.array(MirroredCheckpoint),
  /** Seconds since the epoch. */
  updatedAt: z.number(),
});
export type RunPointer = z.infer<typeof RunPointer>;

/** Keys of a run that is mirrored. */
export const mirrorKeys = (runId: string) => {
  const root = `runs/${runId}`;
  const checkpoints = `${root}/checkpoints/`;
  const keyOf = ({ fence, file }: { fence: number; file: string }) => `${checkpoints}f${fence}/${file}`;
  return {
    root: `${root}/`,
    pointer: `${root}/latest.json`,
    checkpoints,
    /** With the fence in it: what another attempt trained under the same name is another object. */
    checkpoint: keyOf,
    manifest: (one: { fence: number; file: string }) => keyOf(one).replace(/\.pth$/, '.json'),
    /** @param path of a file of the run, relative to its folder. */
    file: (path: string) => `${root}/${path}`,
  };
};
