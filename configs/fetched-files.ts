/** What the download code keeps on disk beside the files it fetches. */
import { z } from 'zod';
import { Sha256 } from './schema.ts';

/** `<target>.part.json`: where the bytes of an unfinished download come from. */
export const PartSource = z.object({
  v: z.literal(1),
  url: z.string(),
  etag: z.string().nullable(),
  lastModified: z.string().nullable(),
  /** Size of the whole file, as the catalog or the server gave it. */
  bytes: z.int().nullable(),
  /** Some of the bytes came from another mirror than `url`. */
  mixed: z.boolean(),
});
export type PartSource = z.infer<typeof PartSource>;

/** `recorded-hashes/<file>.json`: what the first download held of a file that nobody publishes a hash of. */
export const RecordedHash = z.object({
  v: z.literal(1),
  bytes: z.int(),
  sha256: Sha256,
});
export type RecordedHash = z.infer<typeof RecordedHash>;
