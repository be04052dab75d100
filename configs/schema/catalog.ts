/** Data sets and weights that a run can fetch. */
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
   * Addresses, tried in order. `demo:` is the loopback server of the embedded stack. A `file:` or `s3:` address without
   * sha256 is a mutable source of the user and checked at every run. If it ends in `/`, the folder or prefix is packed.
   */
  urls: z
    .array(z.string().regex(/^(https?:\/\/|s3:\/\/|file:\/\/\/|demo:)/))
    .min(1)
    .max(16),
  /** Published size; if null, recorded at the first download and then enforced, except for mutable sources. */
  bytes: z.int().positive().nullable().default(null),
  sha256: Sha256.nullable().default(null),
});
export type CatalogFile = z.infer<typeof CatalogFile>;

/** An archive and its number of files, without directories; null for any number. */
export const CatalogArchive = CatalogFile.extend({ files: z.int().positive().nullable().default(null) });
export type CatalogArchive = z.infer<typeof CatalogArchive>;

/** `<archive>`, `<archive>/<path inside>` or `<file>`. The path is checked when the archive is opened. */
const InArchive = z
  .string()
  .max(512)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(\/[^/\\]+)*$/, 'expected `archive` or `archive/path inside`');

export const DatasetSplit = z.strictObject({
  images: InArchive,
  annotations: InArchive,
  /** Published counts; other counts are rejected. Null if unpublished. */
  counts: z
    .strictObject({
      images: z.int().positive(),
      instances: z.int().positive(),
      /** Images with at least one object, which training uses. */
      annotated: z.int().positive().optional(),
    })
    .nullable()
    .default(null),
});
export type DatasetSplit = z.infer<typeof DatasetSplit>;

/** A data set in COCO format: files to fetch, and the role of each. The annotations define the classes. */
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
  /** Permitted targets of redirects, in addition to the hosts of the addresses. */
  redirectHosts: z.array(Host).max(64).default([]),
  datasets: z.record(safeName('the id of a data set'), DatasetEntry).default({}),
  weights: z.record(safeName('the id of weights'), WeightsEntry).default({}),
});
export type Catalog = z.infer<typeof Catalog>;
