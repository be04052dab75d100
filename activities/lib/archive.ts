import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { fromRandomAccessReaderPromise, type Entry, type ZipFile } from 'yauzl';
import { foldersOf, nameEntry, readEntries, refuseArchive } from './archive-entries.ts';
import { ArchiveReader } from './archive-reader.ts';
import { CodedError, systemErrorCode } from './coded-error.ts';
import { crc32 } from './crc32.ts';
import { nameDiskFull } from './disk-full.ts';
import { syncFolder } from './whole-file.ts';
import { workInParallel } from './work-in-parallel.ts';

/** Enough for the syncs to overlap. */
const filesAtOnce = 8;

export interface Extraction {
  readonly archive: string;
  /** A folder of the caller's, who renames it when all is done: after an error it holds leftovers. */
  readonly into: string;
  /** How many files, folders not counted, the archive must hold. */
  readonly files: number;
  readonly onProgress: (filesDone: number) => void;
  readonly signal: AbortSignal;
}

export interface Extracted {
  readonly files: number;
  readonly bytes: number;
}

/** Unpacks a zip archive after looking through its whole list. Every file is checked (size, CRC-32) and synced. */
export const extractArchive = async (extraction: Extraction): Promise<Extracted> => {
  const { archive, into, signal } = extraction;
  try {
    signal.throwIfAborted();
    return await extractChecked(extraction);
  } catch (error) {
    signal.throwIfAborted();
    throw nameDiskFull(nameDamage(error, archive), `unpacking ${archive} into ${into}`);
  }
};

const extractChecked = async (extraction: Extraction): Promise<Extracted> => {
  const file = await open(extraction.archive, 'r');
  try {
    const { size } = await file.stat();
    const options = { autoClose: false, strictFileNames: true };
    const zip = await fromRandomAccessReaderPromise(new ArchiveReader(file, size), size, options);
    const entries = await readEntries(zip, extraction);
    return await extractEntries(zip, entries, extraction);
  } finally {
    await file.close();
  }
};

const extractEntries = async (zip: ZipFile, entries: Entry[], extraction: Extraction): Promise<Extracted> => {
  const { into, onProgress } = extraction;
  const folders = [...foldersOf(entries)].map((folder) => join(into, folder));
  for (const folder of folders) await mkdir(folder, { recursive: true });

  const done = { files: 0, bytes: 0 };
  await workInParallel(entries, filesAtOnce, async (entry) => {
    const bytes = await extractEntry(zip, entry, extraction);
    done.bytes += bytes;
    done.files += 1;
    onProgress(done.files);
  });

  for (const folder of [into, ...folders]) await syncFolder(folder);
  return done;
};

const extractEntry = async (zip: ZipFile, entry: Entry, { archive, into, signal }: Extraction): Promise<number> => {
  const file = await open(join(into, entry.fileName), 'wx');
  try {
    const crc = await copyEntry(zip, entry, file, signal);
    if (crc !== entry.crc32) throw refuseArchive(archive, `${nameEntry(entry)} has the wrong CRC-32`);
    await file.sync();
    return entry.uncompressedSize;
  } catch (error) {
    throw nameDamage(error, `${archive}: ${nameEntry(entry)}`);
  } finally {
    await file.close();
  }
};

/** yauzl ends the stream with an error as soon as it is longer, or at its end shorter, than the list says. */
const copyEntry = async (zip: ZipFile, entry: Entry, file: FileHandle, signal: AbortSignal): Promise<number> => {
  const chunks: AsyncIterable<Buffer> = await zip.openReadStreamPromise(entry);
  let crc = 0;
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    crc = crc32(chunk, crc);
    await file.writeFile(chunk);
  }
  return crc;
};

/** An error that neither the system nor this house raised comes from yauzl or zlib, and is about the archive. */
const nameDamage = (error: unknown, where: string): unknown => {
  if (systemErrorCode(error) === 'EEXIST') return refuseArchive(where, 'a file of that name is there already');
  if (error instanceof CodedError || !(error instanceof Error) || 'syscall' in error) return error;
  return refuseArchive(where, error.message, { cause: error });
};
