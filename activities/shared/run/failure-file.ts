import { mkdir, rm } from 'node:fs/promises';
import type { RunFolder } from '../../../configs/paths.ts';
import { RunFailure } from '../../../configs/schema/index.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';
import { readJson } from '../files/json-file.ts';

/** Records why a run failed. Creates the folder of a run that failed before it had one. */
export async function writeFailure(folder: RunFolder, failure: RunFailure): Promise<void> {
  await mkdir(folder.root, { recursive: true });
  await writeFileAtomic(folder.failure, JSON.stringify(failure, null, 2));
}

/** Reads why a run failed; undefined unless it did. */
export const readFailure = (folder: RunFolder): Promise<RunFailure | undefined> => readJson(folder.failure, RunFailure);

export const clearFailure = (folder: RunFolder): Promise<void> => rm(folder.failure, { force: true });
