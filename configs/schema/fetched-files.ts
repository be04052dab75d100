/** Records that the downloader keeps next to fetched files. */
import { z } from 'zod';
import { Sha256 } from './index.ts';

/** First line of `<target>.part.jsonl`: the source of an unfinished download. */
export const PartSource = z.object({
  v: z.literal(2),
  url: z.string(),
  etag: z.string().nullable(),
  lastModified: z.string().nullable(),
  /** Size of the complete file, from the catalog or the server. */
  bytes: z.int().nullable(),
  /** Some bytes came from a mirror other than `url`, or may have been lost in a crash of the machine. */
  mixed: z.boolean(),
  /** Boot id of the machine. Unsynced bytes may be lost after a reboot. */
  boot: z.string(),
});
export type PartSource = z.infer<typeof PartSource>;

/** Each further line: a range of bytes in the part, from the first up to but not including the last. */
export const PartSpan = z.tuple([z.int().nonnegative(), z.int().nonnegative()]);

/** `recorded-hashes/<file>.json`: size and hash of a file without a published hash, from its first download. */
export const RecordedHash = z.object({
  v: z.literal(1),
  bytes: z.int(),
  sha256: Sha256,
});
export type RecordedHash = z.infer<typeof RecordedHash>;
