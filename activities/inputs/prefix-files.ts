import type { CodedError } from '../shared/errors/coded-error.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import type { S3Object } from '../shared/download/sources/s3-inspect.ts';
import { datasetInvalid } from './dataset-invalid.ts';

/** An object under a prefix that becomes a file of a folder. */
export interface PrefixFile {
  readonly object: S3Object;
  /** Its path in the folder: what follows the prefix. */
  readonly name: string;
  /** Of its content, its name and its size; a name that any disk takes. */
  readonly copyName: string;
}

/**
 * What a listing would be as a folder. Left out, as in a folder, is what begins with a dot, and the empty objects that consoles
 * leave for folders. @throws CodedError DatasetInvalid with every key that no folder could hold, before anything is fetched.
 */
export function toPrefixFiles(shown: string, prefix: string, objects: readonly S3Object[]): PrefixFile[] {
  const named = objects.map((object) => ({ object, name: object.key.slice(prefix.length) })).filter(isFile);
  const problems = new Map<string, string[]>();
  const names = new Set(named.map(({ name }) => name));
  const plainNames = new Set<string>();
  for (const { name } of named) {
    const problem = findNameProblem(name) ?? findNameConflict(name, names, plainNames);
    if (problem !== undefined) problems.set(problem, [...(problems.get(problem) ?? []), name]);
  }
  if (problems.size > 0) throw invalidNames(shown, problems);
  const files = named.filter(({ name }) => !name.split('/').some((part) => part.startsWith('.')));
  if (files.length === 0) throw datasetInvalid(`${shown} cannot be packed`, ['there are no objects under it']);
  return files.map(({ object, name }) => ({ object, name, copyName: makeCopyName(object) }));
}

const isFile = ({ object, name }: { object: S3Object; name: string }): boolean =>
  object.bytes > 0 || !(name === '' || name.endsWith('/'));

/** By the ETag, which is another one for other content; by the time where a server gives none. */
const makeCopyName = ({ key, etag, lastModified, bytes }: S3Object): string =>
  contentKey([key, etag ?? lastModified, bytes]);

/** The last one stands for what XML, and so a listing, cannot say. */
// eslint-disable-next-line no-control-regex -- these are what is looked for
const controlCharacter = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/;
const maxNameBytes = 1024;
const maxPartBytes = 255;

/** The packer's rules (`name_problem` of the trainer's zip_list.py), kept here before anything gets such a name on a disk. */
function findNameProblem(name: string): string | undefined {
  const parts = name.split('/');
  if (controlCharacter.test(name)) return 'has a control character in its key';
  if (name.includes('\\')) return 'has a backslash in its key';
  if (/^[A-Za-z]:/.test(name)) return 'has a drive letter in its key';
  if (parts.includes('..')) return 'has ".." in its key';
  if (name === '' || name.endsWith('/')) return 'is named like a folder, but has content';
  if (parts.some((part) => part === '' || part === '.')) return 'has an empty or "." part in its key';
  const isLong = Buffer.byteLength(name) > maxNameBytes || parts.some((part) => Buffer.byteLength(part) > maxPartBytes);
  return isLong ? 'has too long a key' : undefined;
}

function findNameConflict(name: string, names: ReadonlySet<string>, plainNames: Set<string>): string | undefined {
  const plain = name.normalize('NFC').toLowerCase();
  if (plainNames.has(plain)) return 'differs from another key only in case or in how accents are written';
  plainNames.add(plain);
  const parts = name.split('/');
  const isInFile = parts.some((_part, count) => count > 0 && names.has(parts.slice(0, count).join('/')));
  return isInFile ? 'lies under a key that is an object itself' : undefined;
}

const maxListedKeys = 5;

const invalidNames = (shown: string, problems: ReadonlyMap<string, readonly string[]>): CodedError => {
  const lines = [...problems].map(([problem, names]) => {
    const some = names.slice(0, maxListedKeys).map((name) => quote(name.slice(0, 200)));
    const more = names.length > maxListedKeys ? ', …' : '';
    return `${problem}: ${names.length} ${names.length === 1 ? 'object' : 'objects'} (${some.join(', ')}${more})`;
  });
  return datasetInvalid(`${shown} cannot be packed: rename or remove these objects`, lines);
};

const quote = (name: string): string =>
  JSON.stringify(name).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
