/** Short form of a data set in a run file: `data` in place of `dataset` and an entry of `catalog`. */
import { z } from 'zod';
import type { Catalog } from './catalog.ts';
import { onceValid, safeName } from './primitives.ts';

const Location = z.string().trim().min(1, 'expected a path or an address').max(4096);

const ShortSplit = z.strictObject({
  images: Location.describe(
    'Folder or zip file of the images: a path, or an address with `file://`, `s3://` or `https://`. A folder inside a zip file follows its name: `/data/export.zip/images`. No default.',
  ),
  annotations: Location.describe(
    'JSON file in COCO format, given in the same way; it may be inside a zip file: `/data/export.zip/annotations/train.json`. No default.',
  ),
});
type ShortSplit = z.infer<typeof ShortSplit>;

export const ShortData = z.strictObject({
  name: safeName('the name of the data set')
    .optional()
    .describe('Name of the data set in reports. Default: the name of the run.'),
  train: ShortSplit.describe('Images and annotations to train on.'),
  val: ShortSplit.describe('Images and annotations for validation and the final test.'),
});
export type ShortData = z.infer<typeof ShortData>;

interface DataFields {
  data?: ShortData | undefined;
  dataset?: string | undefined;
  catalog: Pick<Catalog, 'datasets' | 'weights'>;
}

/** Checks that an input names its data once and that each location of the short form is clear. */
function checkData({ data, dataset, catalog }: DataFields, context: z.core.$RefinementCtx): void {
  const refuse = (path: string[], input: unknown, message: string) =>
    context.addIssue({ code: 'custom', path, input, message });
  if ((data === undefined) === (dataset === undefined))
    refuse(
      ['data'],
      data,
      `expected either \`data\`, your own images and annotations, or \`dataset\`, an id of the catalog, got ${data === undefined ? 'neither' : 'both'}`,
    );
  if (data === undefined) return;
  if (data.name !== undefined && Object.hasOwn(catalog.datasets, data.name))
    refuse(['data', 'name'], data.name, `expected a name that \`catalog\` does not use, got "${data.name}"`);
  for (const split of splitNames)
    for (const role of roles) {
      const text = data[split][role];
      const message = explainLocation(text, role);
      if (message !== null) refuse(['data', split, role], text, message);
    }
}

/** Rule of every schema that contains `data` and `dataset`, as arguments of `superRefine`. */
export const namedOnce = [
  checkData,
  onceValid(
    z.object({
      data: ShortData.optional(),
      dataset: z.string().optional(),
      catalog: z.object({ datasets: z.looseObject({}) }),
    }),
  ),
] as const;

/** Replaces `data` by `dataset` and an entry of `catalog`. @param name of the data set if `data` has none. */
export function resolveData<T extends DataFields>(
  fields: T,
  name: string,
): Omit<T, 'data' | 'dataset'> & { dataset: string } {
  const { data, dataset, ...rest } = fields;
  if (data === undefined) return { ...rest, dataset: dataset ?? '' };
  const id = data.name ?? name;
  const datasets = { ...fields.catalog.datasets, [id]: datasetEntry(data, id) };
  return { ...rest, catalog: { ...fields.catalog, datasets }, dataset: id };
}

const splitNames = ['train', 'val'] as const;
const roles = ['images', 'annotations'] as const;
type Role = (typeof roles)[number];

function datasetEntry(data: ShortData, title: string): Catalog['datasets'][string] {
  const uses = splitNames.flatMap((split) =>
    roles.map((role) => ({ split, role, ...parseLocation(data[split][role], role) })),
  );
  const urls = [...new Set(uses.map(({ url }) => url))];
  const files = new Map(urls.map((url) => [url, nameArchive(uses.filter((use) => use.url === url))]));
  const locate = (split: 'train' | 'val', role: Role) => {
    const use = uses.find((one) => one.split === split && one.role === role);
    const file = files.get(use?.url ?? '') ?? '';
    return use?.inside ? `${file}/${use.inside}` : file;
  };
  const splitOf = (split: 'train' | 'val') => ({
    images: locate(split, 'images'),
    annotations: locate(split, 'annotations'),
    counts: null,
  });
  return {
    title,
    archives: urls.map((url) => ({ file: files.get(url) ?? '', urls: [url], bytes: null, sha256: null, files: null })),
    train: splitOf('train'),
    val: splitOf('val'),
    classes: null,
  };
}

/** Names an archive by its uses, not by its path, so that moved data give the same plan. */
function nameArchive(uses: readonly { split: string; role: Role; isZip: boolean }[]): string {
  const [first] = uses;
  if (first === undefined) return '';
  const isOneSplit = uses.every(({ split }) => split === first.split);
  const isOneRole = uses.every(({ role }) => role === first.role);
  const name = [isOneSplit ? first.split : '', isOneRole ? first.role : ''].filter(Boolean).join('-') || 'data';
  if (first.isZip) return `${name}.zip`;
  return isOneRole && first.role === 'annotations' ? `${name}.json` : name;
}

interface Location {
  url: string;
  /** Path inside the zip file; empty for none. */
  inside: string;
  isZip: boolean;
}

/** Splits a location into the address of a file or folder and the path inside a zip file. */
function parseLocation(text: string, role: Role): Location {
  const isPath = text.startsWith('/');
  const address = isPath ? `file://${text.split('/').map(encodeURIComponent).join('/')}` : text;
  const [, zip, inside = ''] = /^(.*?\.zip)(?:\/(.*))?$/i.exec(address) ?? [];
  if (zip !== undefined)
    return {
      url: zip,
      inside: decode(inside)
        .replace(/^\.?\/+|\/+$/g, '')
        .replaceAll(/\/{2,}/g, '/'),
      isZip: true,
    };
  // A server has no folders, so an address without `.zip` is a zip file under another name.
  const isFolder = role === 'images' && !/^https?:/.test(address);
  return {
    url: isFolder ? `${address.replace(/\/+$/, '')}/` : address,
    inside: '',
    isZip: !isFolder && role === 'images',
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Returns why a location cannot be used and what to write instead; null if it is clear. */
function explainLocation(text: string, role: Role): string | null {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):/i.exec(text) ?? [];
  if (/^[a-z]:[\\/]/i.test(text))
    return `"${text}" is a path of Windows; expected a path of Linux, such as /mnt/c/data`;
  if (scheme !== undefined) {
    if (scheme === 'file' && !/^file:\/\/\//.test(text))
      return `expected three slashes, as in file:///data/images, or a plain path, got "${text}"`;
    if (!/^(file|s3|https?|demo)$/.test(scheme))
      return `addresses with ${scheme}: are not supported; expected a path, file://, s3:// or https://, got "${text}"`;
    if (!/^demo:/.test(text) && !/^[a-z0-9]+:\/\/[^/]*\/./.test(text)) return `the address "${text}" names no file`;
  } else if (text.startsWith('~') || text.startsWith('$'))
    return `"${text}" depends on the user who reads it; expected an absolute path`;
  else if (!text.startsWith('/'))
    return `"${text}" is a relative path, which only the commands resolve, from the folder of the run file; expected an absolute path or an address`;
  if (/[*?]/.test(text) && !/^https?:/.test(text))
    return `"${text}" is a pattern; expected one folder, zip file or JSON file`;
  if (role === 'annotations' && text.endsWith('/')) return `"${text}" is a folder; expected the JSON file inside it`;
  if (role === 'annotations' && /\.zip$/i.test(text))
    return `"${text}" is a zip file; add the path of the JSON file inside it, such as ${text}/annotations/train.json. \`everswin import ${text}\` finds it`;
  if (role === 'images' && /\.json$/i.test(text)) return `"${text}" is a JSON file; expected a folder or a zip file`;
  return null;
}
