import type { CodedError } from '../shared/errors/coded-error.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import type { SeenObject } from '../shared/download/sources/s3-look.ts';
import { datasetInvalid } from './dataset-invalid.ts';

/** An object under a prefix that becomes a file of a folder. */
export interface PrefixFile {
  readonly seen: SeenObject;
  /** Its path in the folder: what follows the prefix. */
  readonly name: string;
  /** Of its content, its name and its size; a name that any disk takes. */
  readonly copy: string;
}

/**
 * What a listing would be as a folder. Left out, as in a folder, is what begins with a dot, and the empty objects that consoles
 * leave for folders. @throws CodedError DatasetInvalid with every key that no folder could hold, before anything is fetched.
 */
export function filesOfPrefix(shown: string, prefix: string, objects: readonly SeenObject[]): PrefixFile[] {
  const named = objects.map((seen) => ({ seen, name: seen.key.slice(prefix.length) })).filter(isNoFolder);
  const problems = new Map<string, string[]>();
  const names = new Set(named.map(({ name }) => name));
  const plainNames = new Set<string>();
  for (const { name } of named) {
    const problem = problemOf(name) ?? problemAmong(name, names, plainNames);
    if (problem !== undefined) problems.set(problem, [...(problems.get(problem) ?? []), name]);
  }
  if (problems.size > 0) throw refusal(shown, problems);
  const files = named.filter(({ name }) => !name.split('/').some((part) => part.startsWith('.')));
  if (files.length === 0) throw datasetInvalid(`${shown} cannot be packed`, ['there are no objects under it']);
  return files.map(({ seen, name }) => ({ seen, name, copy: copyName(seen) }));
}

const isNoFolder = ({ seen, name }: { seen: SeenObject; name: string }): boolean =>
  seen.bytes > 0 || !(name === '' || name.endsWith('/'));

/** By the ETag, which is another one for other content; by the time where a server gives none. */
const copyName = ({ key, etag, lastModified, bytes }: SeenObject): string =>
  contentKey([key, etag ?? lastModified, bytes]);

/** The last one stands for what XML, and so a listing, cannot say. */
// eslint-disable-next-line no-control-regex -- these are what is looked for
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/;
const mostNameBytes = 1024;
const mostPartBytes = 255;

/** The packer's rules (`name_problem` of the trainer's zip_list.py), kept here before anything gets such a name on a disk. */
function problemOf(name: string): string | undefined {
  const parts = name.split('/');
  if (control.test(name)) return 'has a control character in its key';
  if (name.includes('\\')) return 'has a backslash in its key';
  if (/^[A-Za-z]:/.test(name)) return 'has a drive letter in its key';
  if (parts.includes('..')) return 'has ".." in its key';
  if (name === '' || name.endsWith('/')) return 'is named like a folder, but has content';
  if (parts.some((part) => part === '' || part === '.')) return 'has an empty or "." part in its key';
  const isLong =
    Buffer.byteLength(name) > mostNameBytes || parts.some((part) => Buffer.byteLength(part) > mostPartBytes);
  return isLong ? 'has too long a key' : undefined;
}

function problemAmong(name: string, names: ReadonlySet<string>, plainNames: Set<string>): string | undefined {
  const plain = name.normalize('NFC').toLowerCase();
  if (plainNames.has(plain)) return 'differs from another key only in case or in how accents are written';
  plainNames.add(plain);
  const parts = name.split('/');
  const isInFile = parts.some((_part, count) => count > 0 && names.has(parts.slice(0, count).join('/')));
  return isInFile ? 'lies under a key that is an object itself' : undefined;
}

const shownKeys = 5;

const refusal = (shown: string, problems: ReadonlyMap<string, readonly string[]>): CodedError => {
  const lines = [...problems].map(([problem, names]) => {
    const some = names.slice(0, shownKeys).map((name) => quote(name.slice(0, 200)));
    const more = names.length > shownKeys ? ', …' : '';
    return `${problem}: ${names.length} ${names.length === 1 ? 'object' : 'objects'} (${some.join(', ')}${more})`;
  });
  return datasetInvalid(`${shown} cannot be packed: rename or remove these objects`, lines);
};

const quote = (name: string): string =>
  JSON.stringify(name).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
