import { z } from 'zod';
import { CheckpointManifest, Sha256 } from './index.ts';

/** Record of an object in the local artifact store. */
export const RecordedObject = z.object({
  v: z.literal(1),
  bytes: z.int().nonnegative(),
  sha256: Sha256,
});
export type RecordedObject = z.infer<typeof RecordedObject>;

/** State of a multipart upload, to resume it after a kill. */
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

/** `runs/<runId>/latest.json`: the complete checkpoints in the store, newest first, and their writer. */
export const RunPointer = z.object({
  v: z.literal(1),
  /** Fencing token of the attempt that mirrors. An attempt with a lower token stops. */
  fence: z.int().nonnegative(),
  host: z.string(),
  checkpoints: z.array(MirroredCheckpoint),
  /** Time of the update, in Unix seconds. */
  updatedAt: z.number(),
});
export type RunPointer = z.infer<typeof RunPointer>;

/** Returns the keys of a mirrored run. */
export const mirrorKeys = (runId: string) => {
  const root = `runs/${runId}`;
  const checkpoints = `${root}/checkpoints/`;
  const keyOf = ({ fence, file }: { fence: number; file: string }) => `${checkpoints}f${fence}/${file}`;
  return {
    root: `${root}/`,
    pointer: `${root}/latest.json`,
    checkpoints,
    /** Contains the fencing token, so checkpoints of different attempts are different objects. */
    checkpoint: keyOf,
    manifest: (one: { fence: number; file: string }) => keyOf(one).replace(/\.pth$/, '.json'),
    /** @param path of a file, relative to the run folder. */
    file: (path: string) => `${root}/${path}`,
  };
};
