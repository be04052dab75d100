import type { CodedError } from '../shared/errors/coded-error.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import type { S3Object } from '../shared/download/sources/s3-inspect.ts';
import { datasetInvalid } from './dataset-invalid.ts';

/** An object under a prefix, as a file of a folder. */
export interface PrefixFile {
  readonly object: S3Object;
  /** Path in the folder: the key without the prefix. */
  readonly name: string;
  /** Hash of key, version and size; a valid name on any file system. */
  readonly copyName: string;
}

/**
 * Converts listed objects to the files of a folder. Names that begin with a dot are ignored, and so are the empty objects
 * that consoles create for folders.
 * @throws CodedError DatasetInvalid with every key that is not a valid file name, before anything is fetched.
 */
export function toPrefixFiles(displayName: string, prefix: string, objects: readonly S3Object[]): PrefixFile[] {
  const named = objects.map((object) => ({ object, name: object.key.slice(prefix.length) })).filter(isFile);
  const problems = new Map<string, string[]>();
  const names = new Set(named.map(({ name }) => name));
  const normalizedNames = new Set<string>();
  for (const { name } of named) {
    const problem = findNameProblem(name) ?? findNameConflict(name, names, normalizedNames);
    if (problem !== undefined) problems.set(problem, [...(problems.get(problem) ?? []), name]);
  }
  if (problems.size > 0) throw invalidNames(displayName, problems);
  const files = named.filter(({ name }) => !name.split('/').some((part) => part.startsWith('.')));
  if (files.length === 0)
    throw datasetInvalid(`Cannot pack ${displayName}`, ['there are no objects under this prefix']);
  return files.map(({ object, name }) => ({ object, name, copyName: makeCopyName(object) }));
}

const isFile = ({ object, name }: { object: S3Object; name: string }): boolean =>
  object.bytes > 0 || !(name === '' || name.endsWith('/'));

/** Identifies the version by its ETag, or by its modification time when the server sends no ETag. */
const makeCopyName = ({ key, etag, lastModified, bytes }: S3Object): string =>
  contentKey([key, etag ?? lastModified, bytes]);

/** Includes U+FFFD, which replaces characters that XML, and so a listing, cannot represent. */
const controlCharacter = /[\p{Cc}\u2028\u2029\ufffd]/u;
const maxNameBytes = 1024;
const maxPartBytes = 255;

/** Applies the rules of the trainer's packer (`name_problem` in zip_directory.py) before any file is written. */
function findNameProblem(name: string): string | undefined {
  const parts = name.split('/');
  if (controlCharacter.test(name)) return 'has a control character in its key';
  if (name.includes('\\')) return 'has a backslash in its key';
  if (/^[A-Za-z]:/.test(name)) return 'has a drive letter in its key';
  if (parts.includes('..')) return 'has ".." in its key';
  if (name === '' || name.endsWith('/')) return 'ends with a slash but has content';
  if (parts.some((part) => part === '' || part === '.')) return 'has an empty or "." part in its key';
  const isLong = Buffer.byteLength(name) > maxNameBytes || parts.some((part) => Buffer.byteLength(part) > maxPartBytes);
  return isLong ? 'has a key that is too long' : undefined;
}

function findNameConflict(name: string, names: ReadonlySet<string>, normalizedNames: Set<string>): string | undefined {
  const normalized = name.normalize('NFC').toLowerCase();
  if (normalizedNames.has(normalized)) return 'differs from another key only in case or Unicode normalization';
  normalizedNames.add(normalized);
  const parts = name.split('/');
  const isInFile = parts.some((_part, count) => count > 0 && names.has(parts.slice(0, count).join('/')));
  return isInFile ? 'uses the key of another object as its folder' : undefined;
}

const maxListedKeys = 5;

const invalidNames = (displayName: string, problems: ReadonlyMap<string, readonly string[]>): CodedError => {
  const lines = [...problems].map(([problem, names]) => {
    const listed = names.slice(0, maxListedKeys).map((name) => quote(name.slice(0, 200)));
    const more = names.length > maxListedKeys ? ', …' : '';
    return `${problem}: ${names.length} ${names.length === 1 ? 'object' : 'objects'} (${listed.join(', ')}${more})`;
  });
  return datasetInvalid(`Cannot pack ${displayName}: rename or remove these objects`, lines);
};

const quote = (name: string): string =>
  JSON.stringify(name).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
