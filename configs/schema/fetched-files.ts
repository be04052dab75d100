/** What the download code keeps on disk beside the files it fetches. */
import { z } from 'zod';
import { Sha256 } from './index.ts';

/** First line of `<target>.part.jsonl`: where the bytes of an unfinished download come from. */
export const PartSource = z.object({
  v: z.literal(2),
  url: z.string(),
  etag: z.string().nullable(),
  lastModified: z.string().nullable(),
  /** Size of the whole file, as the catalog or the server gave it. */
  bytes: z.int().nullable(),
  /** Some of the bytes came from another mirror than `url`, or may not have survived a crash of the machine. */
  mixed: z.boolean(),
  /** Which start of the machine wrote it: what it had not synced is lost with the next start. */
  boot: z.string(),
});
export type PartSource = z.infer<typeof PartSource>;

/** Each further line: bytes that are in the part, from the first up to, but not including, the last. */
export const PartSpan = z.tuple([z.int().nonnegative(), z.int().nonnegative()]);

/** `recorded-hashes/<file>.json`: what the first download held of a file that nobody publishes a hash of. */
export const RecordedHash = z.object({
  v: z.literal(1),
  bytes: z.int(),
  sha256: Sha256,
});
export type RecordedHash = z.infer<typeof RecordedHash>;
