/** What there is to fetch. */
import { z } from 'zod';
import { safeName, Sha256 } from './primitives.ts';

/** `host` or `host:port`. */
export const Host = z
  .string()
  .max(260)
  .regex(/^[a-z0-9.-]+(:\d{1,5})?$/, 'expected `host` or `host:port`');

export const CatalogFile = z.strictObject({
  file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
  /**
   * Tried in order. `demo:` is the embedded stack's own loopback server. Without a sha256 a `file:` or `s3:` address is the
   * user's own, looked at anew each time; where it ends in `/`, it is a folder or prefix, packed into an archive of the store.
   */
  urls: z
    .array(z.string().regex(/^(https?:\/\/|s3:\/\/|file:\/\/\/|demo:)/))
    .min(1)
    .max(16),
  /** Null where nobody publishes it: recorded at the first download and enforced from then on, unless it is the user's own. */
  bytes: z.int().positive().nullable().default(null),
  sha256: Sha256.nullable().default(null),
});
export type CatalogFile = z.infer<typeof CatalogFile>;

/** An archive also says how many files (directories not counted) it holds; null where it does not matter. */
export const CatalogArchive = CatalogFile.extend({ files: z.int().positive().nullable().default(null) });
export type CatalogArchive = z.infer<typeof CatalogArchive>;

/** `<archive>`, `<archive>/<path inside>` or `<plain file>`. What lies inside is checked where the archive is opened. */
const InArchive = z
  .string()
  .max(512)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(\/[^/\\]+)*$/, 'expected `archive` or `archive/path inside`');

export const DatasetSplit = z.strictObject({
  images: InArchive,
  annotations: InArchive,
  /** Where they are published: anything else is refused. */
  counts: z
    .strictObject({
      images: z.int().positive(),
      instances: z.int().positive(),
      /** Images that show an object: what training sees. */
      annotated: z.int().positive().optional(),
    })
    .nullable()
    .default(null),
});
export type DatasetSplit = z.infer<typeof DatasetSplit>;

/** A data set in COCO's format: files to fetch, and what of them is which. Its classes are those of the annotations. */
const DatasetEntry = z
  .strictObject({
    title: z.string().max(200),
    archives: z.array(CatalogArchive).min(1).max(64),
    train: DatasetSplit,
    val: DatasetSplit,
    classes: z.int().positive().nullable().default(null),
  })
  .check(({ value: { archives, train, val }, issues }) => {
    const files = archives.map(({ file }) => file);
    const refuse = (path: string[], input: unknown, message: string) =>
      issues.push({ code: 'custom', path, input, message });
    if (new Set(files).size < files.length) refuse(['archives'], archives, 'expected each file to have its own name');
    for (const [split, { images, annotations }] of Object.entries({ train, val })) {
      for (const [what, path] of Object.entries({ images, annotations })) {
        const [file = ''] = path.split('/');
        if (!files.includes(file)) refuse([split, what], path, `expected one of the archives, got "${file}"`);
      }
    }
  });
type DatasetEntry = z.infer<typeof DatasetEntry>;

const WeightsEntry = z.strictObject({ title: z.string().max(200), source: CatalogFile });
type WeightsEntry = z.infer<typeof WeightsEntry>;

export const Catalog = z.strictObject({
  /** Where servers named here may send a download on to; beyond these only the hosts of the addresses themselves. */
  redirectHosts: z.array(Host).max(64).default([]),
  datasets: z.record(safeName('the id of a data set'), DatasetEntry).default({}),
  weights: z.record(safeName('the id of weights'), WeightsEntry).default({}),
});
export type Catalog = z.infer<typeof Catalog>;
