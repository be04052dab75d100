import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { createFileExclusive } from '../files/atomic-file.ts';
import type { Pointer } from './artifact-store.ts';

/** Old versions are kept so that a slow writer still detects a newer version. */
const maxVersions = 3;

/** Reads a pointer from a folder of numbered versions. The writer that creates the next number first wins, without a lock. */
export async function readLocalPointer(folder: string): Promise<Pointer | undefined> {
  for (;;) {
    const newest = await newestVersion(folder);
    if (newest === 0) return undefined;
    try {
      return { body: await readFile(`${folder}/${newest}`, 'utf8'), etag: String(newest) };
    } catch (error) {
      // The version was pruned in between, so a newer one exists.
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }
}

/**
 * Adds the next version of a pointer.
 * @throws CodedError StoreConflict when `ifMatch` is not the newest version.
 */
export async function replaceLocalPointer(folder: string, body: string, ifMatch: string | null): Promise<string> {
  const known = Number(ifMatch ?? 0);
  const conflict = () =>
    new CodedError('StoreConflict', `${folder} is no longer at version ${known}: another writer replaced it.`);
  await mkdir(folder, { recursive: true });
  if ((await newestVersion(folder)) !== known) throw conflict();
  const next = known + 1;
  try {
    await createFileExclusive(`${folder}/${next}`, body);
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') throw conflict();
    throw error;
  }
  // Our file may have filled the gap of a pruned version; then it never became the newest.
  if ((await newestVersion(folder)) > next) throw conflict();
  await rm(`${folder}/${next - maxVersions}`, { force: true });
  return String(next);
}

async function newestVersion(folder: string): Promise<number> {
  const names = (await ignoreMissing(readdir(folder))) ?? [];
  return Math.max(0, ...names.filter((name) => /^\d+$/.test(name)).map(Number));
}
