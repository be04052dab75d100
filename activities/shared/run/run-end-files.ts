import { mkdir, rm } from 'node:fs/promises';
import type { RunFolder } from '../../../configs/paths.ts';
import { RunCancellation, RunFailure } from '../../../configs/schema/index.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';
import { readJson } from '../files/json-file.ts';

/** Records why a run failed. */
export const writeFailure = (folder: RunFolder, failure: RunFailure): Promise<void> =>
  write(folder, folder.failure, failure);

/** Records that a run was cancelled. */
export const writeCancellation = (folder: RunFolder, cancellation: RunCancellation): Promise<void> =>
  write(folder, folder.cancelled, cancellation);

/** Reads why a run failed; undefined unless it did. */
export const readFailure = (folder: RunFolder): Promise<RunFailure | undefined> => readJson(folder.failure, RunFailure);

/** Reads when a run was cancelled; undefined unless it was. */
export const readCancellation = (folder: RunFolder): Promise<RunCancellation | undefined> =>
  readJson(folder.cancelled, RunCancellation);

/** Removes both records: a run that starts again has not ended. */
export async function clearEnd(folder: RunFolder): Promise<void> {
  await rm(folder.failure, { force: true });
  await rm(folder.cancelled, { force: true });
}

/** Creates the folder of a run that ended before it had one. */
async function write(folder: RunFolder, path: string, record: RunFailure | RunCancellation): Promise<void> {
  await mkdir(folder.root, { recursive: true });
  await writeFileAtomic(path, JSON.stringify(record, null, 2));
}
