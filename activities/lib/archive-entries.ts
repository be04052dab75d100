import { dirname } from 'node:path/posix';
import type { Entry, ZipFile } from 'yauzl';
import { CodedError } from './coded-error.ts';

/** Images hardly shrink and JSON of boxes shrinks some tenfold; a bomb needs hundreds. */
const maxInflation = 64;

interface Expected {
  readonly archive: string;
  readonly files: number;
  readonly signal: AbortSignal;
}

/** Reads the whole list of an archive and returns its files; one entry that should not be there refuses all of it. */
export const readEntries = async (zip: ZipFile, { archive, files, signal }: Expected): Promise<Entry[]> => {
  const entries = new Map<string, Entry>();
  for await (const entry of zip.eachEntry()) {
    signal.throwIfAborted();
    const problem = findProblem(entry) ?? (entries.has(entry.fileName) ? 'is there twice' : null);
    if (problem !== null) throw refuseArchive(archive, `${nameEntry(entry)} ${problem}`);
    if (!isFolder(entry)) entries.set(entry.fileName, entry);
    if (entries.size > files) throw refuseArchive(archive, `it holds more than the ${files} files expected`);
  }
  if (entries.size < files) throw refuseArchive(archive, `it holds ${entries.size} files, expected ${files}`);
  refuseFilesAsFolders(entries, archive);
  refuseBomb(entries, archive, zip.fileSize);
  return [...entries.values()];
};

export const refuseArchive = (archive: string, why: string, options?: ErrorOptions): CodedError =>
  new CodedError('ArchiveInvalid', `${archive} is refused: ${why}.`, options);

/** Quoted, so that control characters of a hostile name stay out of logs. */
export const nameEntry = ({ fileName }: Entry): string => `entry ${JSON.stringify(fileName)}`;

/** Every folder that the files need, parents before children. */
export const foldersOf = (entries: Iterable<Entry>): Set<string> => {
  const folders = new Set<string>();
  const add = (folder: string): void => {
    if (folder === '.' || folders.has(folder)) return;
    add(dirname(folder));
    folders.add(folder);
  };
  for (const entry of entries) add(dirname(entry.fileName));
  return folders;
};

const isFolder = ({ fileName }: Entry): boolean => fileName.endsWith('/');

/** yauzl itself, with strictFileNames, refuses `..`, absolute paths and backslashes. */
const findProblem = (entry: Entry): string | null => {
  const path = isFolder(entry) ? entry.fileName.slice(0, -1) : entry.fileName;
  if (path.includes('\0')) return 'has a NUL in its name';
  if (path.split('/').some((part) => part === '' || part === '.')) return 'has an empty or "." part in its path';
  if (entry.isEncrypted()) return 'is encrypted';
  if (!entry.canDecodeFileData()) return `is packed by an unknown method (${entry.compressionMethod})`;
  return findWrongType(entry);
};

/** Archives made on Unix keep the file type in the upper half; only plain files and folders are wanted. */
const findWrongType = (entry: Entry): string | null => {
  const type = (entry.externalFileAttributes >>> 16) & 0o170000;
  if (type === 0 || type === (isFolder(entry) ? 0o040000 : 0o100000)) return null;
  return type === 0o120000 ? 'is a symbolic link' : 'is neither a plain file nor a folder';
};

const refuseFilesAsFolders = (entries: ReadonlyMap<string, Entry>, archive: string): void => {
  for (const folder of foldersOf(entries.values())) {
    const entry = entries.get(folder);
    if (entry !== undefined) throw refuseArchive(archive, `${nameEntry(entry)} is a file and a folder at once`);
  }
};

const refuseBomb = (entries: ReadonlyMap<string, Entry>, archive: string, archiveBytes: number): void => {
  const bytes = [...entries.values()].reduce((sum, entry) => sum + entry.uncompressedSize, 0);
  if (bytes <= archiveBytes * maxInflation) return;
  throw refuseArchive(archive, `it would grow from ${archiveBytes} to ${bytes} bytes, over ${maxInflation} times`);
};
