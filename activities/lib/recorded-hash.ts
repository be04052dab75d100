import { join } from 'node:path';
import { RecordedHashes, type RecordedHash } from '../../configs/fetched-files.ts';
import { CodedError } from './coded-error.ts';
import { readIfPresent } from './json-file.ts';
import { writeFileWhole } from './whole-file.ts';

/** For a file that nobody publishes a hash of: what its first download into this folder held. */
export const findRecordedHash = async (folder: string, file: string): Promise<RecordedHash | undefined> =>
  (await readRecord(recordPath(folder))).files[file];

/**
 * Records what a download held; from then on that is what the file must hold.
 * @throws CodedError ChecksumMismatch when something else is recorded already.
 */
export const recordHash = async (folder: string, file: string, got: RecordedHash): Promise<void> => {
  const path = recordPath(folder);
  const { files } = await readRecord(path);
  const known = files[file];
  if (known === undefined) return writeRecord(path, { v: 1, files: { ...files, [file]: got } });
  if (known.sha256 === got.sha256 && known.bytes === got.bytes) return;
  throw new CodedError(
    'ChecksumMismatch',
    `Expected ${file} to have ${showHash(known)}, as recorded in ${path}, got ${showHash(got)}.`,
  );
};

const recordPath = (folder: string): string => join(folder, 'recorded-hashes.json');

const writeRecord = (path: string, record: RecordedHashes): Promise<void> =>
  writeFileWhole(path, `${JSON.stringify(record, null, 2)}\n`);

/** A damaged record must not pass for an empty one: then anything would be accepted once more. */
const readRecord = async (path: string): Promise<RecordedHashes> => {
  const text = await readIfPresent(path);
  if (text === undefined) return { v: 1, files: {} };
  try {
    return RecordedHashes.parse(JSON.parse(text));
  } catch (error) {
    const message = `${path} is damaged. Delete it to accept what the next download of each file in it holds.`;
    throw new CodedError('Unexpected', message, { cause: error });
  }
};

const showHash = ({ sha256, bytes }: RecordedHash): string => `the sha256 ${sha256} (${bytes} bytes)`;
