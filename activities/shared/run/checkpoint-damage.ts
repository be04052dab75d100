import { open, type FileHandle } from 'node:fs/promises';
import { fromRandomAccessReaderPromise, type Entry } from 'yauzl';
import type { CheckpointManifest } from '../../../configs/schema/index.ts';
import { ArchiveReader } from '../files/archive-reader.ts';
import { fileSize } from '../files/checkpoint-files.ts';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';
import { isStorageError } from '../files/storage-error.ts';
import { sha256OfFile } from '../files/atomic-file.ts';

/**
 * Verifies a checkpoint against its manifest.
 * @returns the damage; undefined if the checkpoint is intact.
 * @throws CodedError StorageUnavailable when the file cannot be read.
 */
export async function findDamage(path: string, manifest: CheckpointManifest): Promise<string | undefined> {
  try {
    const bytes = await fileSize(path);
    if (bytes === undefined) return 'its file is missing';
    if (bytes !== manifest.bytes) return `it has ${bytes} bytes, its manifest records ${manifest.bytes}`;
    const sha256 = await sha256OfFile(path);
    if (sha256 !== manifest.sha256) return `its sha256 is ${sha256}, its manifest records ${manifest.sha256}`;
    return manifest.torch === null ? undefined : await findBrokenStructure(path);
  } catch (error) {
    if (!isStorageError(error)) throw error;
    // A disk or server that fails to read says nothing about the content, which may be readable again.
    throw new CodedError('StorageUnavailable', `Cannot read ${path}: ${error.message}.`, { cause: error });
  }
}

/** Detects damage that predates the hash: torch writes a zip archive with one folder that contains data.pkl. */
async function findBrokenStructure(path: string): Promise<string | undefined> {
  const file = await open(path, 'r');
  try {
    return await findBrokenArchive(file);
  } catch (error) {
    if (systemErrorCode(error) !== undefined) throw error;
    return `it is not a readable zip archive: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await file.close();
  }
}

async function findBrokenArchive(file: FileHandle): Promise<string | undefined> {
  const { size } = await file.stat();
  const zip = await fromRandomAccessReaderPromise(new ArchiveReader(file, size), size, { autoClose: false });
  const folders = new Set<string>();
  let hasPickle = false;
  for await (const entry of zip.eachEntry()) {
    if (endOf(entry) > size) return `its entry ${JSON.stringify(entry.fileName)} extends past the end of the file`;
    folders.add(entry.fileName.split('/', 1)[0] ?? '');
    hasPickle ||= entry.fileName.endsWith('/data.pkl');
  }
  if (!hasPickle) return 'it is a zip archive without data.pkl, not a torch checkpoint';
  return folders.size > 1 ? `its entries are in ${folders.size} folders instead of one` : undefined;
}

const localHeaderBytes = 30;
const endOf = (entry: Entry): number =>
  entry.relativeOffsetOfLocalHeader + localHeaderBytes + entry.fileNameLength + entry.compressedSize;
