import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RecordedHash } from '../../../configs/schema/fetched-files.ts';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';
import { readIfPresent } from '../files/json-file.ts';
import { createFileExclusive } from '../files/atomic-file.ts';

export interface FileHash {
  readonly bytes: number;
  readonly sha256: string;
}

/** Returns the recorded hash of a file without a published hash; undefined before its first download. */
export const findRecordedHash = async (folder: string, file: string): Promise<FileHash | undefined> => {
  const path = recordPath(folder, file);
  const text = await readIfPresent(path);
  return text === undefined ? undefined : parseRecord(text, path);
};

/**
 * Records the hash of a first download, which later downloads must match. Only one of several concurrent records counts.
 * @throws CodedError ChecksumMismatch when another hash is already recorded.
 */
export const recordHash = async (folder: string, file: string, { bytes, sha256 }: FileHash): Promise<void> => {
  const path = recordPath(folder, file);
  const record: RecordedHash = { v: 1, bytes, sha256 };
  await mkdir(dirname(path), { recursive: true });
  try {
    await createFileExclusive(path, `${JSON.stringify(record)}\n`);
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
    const known = await findRecordedHash(folder, file);
    if (known?.sha256 === sha256 && known.bytes === bytes) return;
    const expected = known === undefined ? 'the hash' : formatHash(known);
    const message = `Expected ${file} to have ${expected} recorded in ${path}, got ${formatHash(record)}.`;
    throw new CodedError('ChecksumMismatch', message);
  }
};

/** Returns a separate path per file, so that concurrent records do not overwrite each other. */
const recordPath = (folder: string, file: string): string => join(folder, 'recorded-hashes', `${file}.json`);

/** Rejects a damaged record, because ignoring it would accept any content. */
const parseRecord = (text: string, path: string): RecordedHash => {
  try {
    return RecordedHash.parse(JSON.parse(text));
  } catch (error) {
    const message = `${path} is damaged. Delete it to accept the content of the next download.`;
    throw new CodedError('Unexpected', message, { cause: error });
  }
};

const formatHash = ({ sha256, bytes }: FileHash): string => `the sha256 ${sha256} (${bytes} bytes)`;
