/** Data sets and weights that a run can fetch. */
import { z } from 'zod';
import { didYouMean } from './did-you-mean.ts';
import { onceValid, safeName, Sha256 } from './primitives.ts';

/** `host` or `host:port`. */
export const Host = z
  .string()
  .max(260)
  .regex(/^[a-z0-9.-]+(:\d{1,5})?$/, 'expected `host` or `host:port`');

export const CatalogFile = z.strictObject({
  file: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
      'expected a file name of 1-128 of A-Z a-z 0-9 . _ - starting with a letter or digit, without a folder',
    )
    .describe('Name of the file in the store.'),
  urls: z
    .array(
      z
        .string()
        .regex(
          /^(https?:\/\/|s3:\/\/|file:\/\/\/|demo:)/,
          'expected an address that starts with https://, http://, s3:// or file:///',
        ),
    )
    .min(1)
    .max(16)
    .describe(
      'Addresses, tried in order. A `file:` or `s3:` address without `sha256` may change and is checked at every run. If it ends in `/`, the folder or prefix is packed. `demo:` is the server of the embedded stack.',
    ),
  bytes: z
    .int()
    .positive()
    .nullable()
    .meta({
      description:
        'Published size. If null, it is recorded at the first download and then enforced, except for mutable sources.',
      unit: 'bytes',
    })
    .default(null),
  sha256: Sha256.nullable().describe('Published sha256; null if there is none.').default(null),
});
export type CatalogFile = z.infer<typeof CatalogFile>;

/** An archive and its number of files, without directories; null for any number. */
export const CatalogArchive = CatalogFile.extend({
  files: z
    .int()
    .positive()
    .nullable()
    .describe('Published number of files in the archive; null for any number.')
    .default(null),
});
export type CatalogArchive = z.infer<typeof CatalogArchive>;

/** `<archive>`, `<archive>/<path inside>` or `<file>`. The path is checked when the archive is opened. */
const InArchive = z
  .string()
  .max(512)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(\/[^/\\]+)*$/, 'expected `archive` or `archive/path inside`');

export const DatasetSplit = z.strictObject({
  images: InArchive.describe('Archive of the images, or `archive/folder inside`.'),
  annotations: InArchive.describe('Annotation file, or `archive/path inside`.'),
  counts: z
    .strictObject({
      images: z.int().positive().describe('Number of images.'),
      instances: z.int().positive().describe('Number of objects.'),
      annotated: z
        .int()
        .positive()
        .describe('Number of images with at least one object, which training uses.')
        .optional(),
    })
    .nullable()
    .describe('Published counts; other counts are rejected. Null if unpublished.')
    .default(null),
});
export type DatasetSplit = z.infer<typeof DatasetSplit>;

/** Origin of the masks of objects that have no outline. */
export const MaskSource = z.literal('from-boxes');
export type MaskSource = z.infer<typeof MaskSource>;

/** Parts of a data set that its rule reads. Other fields may be invalid. */
const Roles = z.object({ images: z.string(), annotations: z.string() });
const DatasetRoles = z.object({ archives: z.array(z.object({ file: z.string() })), train: Roles, val: Roles });

/** A data set in COCO format: files to fetch, and the role of each. The annotations define the classes. */
const DatasetEntry = z
  .strictObject({
    title: z.string().max(200).describe('Title, shown in the report.'),
    archives: z.array(CatalogArchive).min(1).max(64).describe('Files to fetch.'),
    train: DatasetSplit.describe('Part of the data to train on.'),
    val: DatasetSplit.describe('Part of the data to validate and test on.'),
    classes: z.int().positive().nullable().describe('Published number of classes; null for any number.').default(null),
  })
  .superRefine(({ archives, train, val }, context) => {
    const files = archives.map(({ file }) => file);
    const refuse = (path: string[], input: unknown, message: string) =>
      context.addIssue({ code: 'custom', path, input, message });
    if (new Set(files).size < files.length) refuse(['archives'], archives, 'expected each file to have its own name');
    for (const [split, { images, annotations }] of Object.entries({ train, val })) {
      for (const [what, path] of Object.entries({ images, annotations })) {
        const [file = ''] = path.split('/');
        if (!files.includes(file))
          refuse([split, what], path, `expected one of the archives, got "${file}"${didYouMean(file, files)}`);
      }
    }
  }, onceValid(DatasetRoles));
type DatasetEntry = z.infer<typeof DatasetEntry>;

const WeightsEntry = z.strictObject({
  title: z.string().max(200).describe('Title, shown in the report.'),
  source: CatalogFile.describe('File to fetch.'),
});
type WeightsEntry = z.infer<typeof WeightsEntry>;

/** Rule for the keys of a record. A schema for keys would skip the values of wrong keys. */
const idsLike = (id: z.ZodString) =>
  [
    (entries: object, context: z.core.$RefinementCtx) => {
      for (const key of Object.keys(entries)) {
        const [issue] = id.safeParse(key).error?.issues ?? [];
        if (issue !== undefined) context.addIssue({ code: 'custom', path: [key], message: issue.message });
      }
    },
    onceValid(z.looseObject({})),
  ] as const;

export const Catalog = z.strictObject({
  redirectHosts: z
    .array(Host)
    .max(64)
    .describe('Permitted targets of redirects, in addition to the hosts of the addresses.')
    .default([]),
  datasets: z
    .record(z.string(), DatasetEntry)
    .superRefine(...idsLike(safeName('the id of a data set')))
    .describe('Data sets in COCO format, by id. The annotations define the classes.')
    .default({}),
  weights: z
    .record(z.string(), WeightsEntry)
    .superRefine(...idsLike(safeName('the id of weights')))
    .describe('Weights, by id.')
    .default({}),
});
export type Catalog = z.infer<typeof Catalog>;
