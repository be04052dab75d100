import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { createFileExclusive } from '../files/atomic-file.ts';
import type { Pointer } from './artifact-store.ts';

/** A writer that reads the newest version and sleeps still finds out that it was overtaken. */
const maxVersions = 3;

/** A folder of numbered versions. The next number is taken by whoever makes its file first: no lock, no stale lock. */
export async function readLocalPointer(folder: string): Promise<Pointer | undefined> {
  for (;;) {
    const newest = await newestVersion(folder);
    if (newest === 0) return undefined;
    try {
      return { body: await readFile(`${folder}/${newest}`, 'utf8'), etag: String(newest) };
    } catch (error) {
      // Overtaken and pruned between the two lines: there is a newer one.
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  }
}

/** @throws CodedError StoreConflict */
export async function replaceLocalPointer(folder: string, body: string, ifMatch: string | null): Promise<string> {
  const known = Number(ifMatch ?? 0);
  const conflict = () => new CodedError('StoreConflict', `${folder} is not at version ${known} any more.`);
  await mkdir(folder, { recursive: true });
  if ((await newestVersion(folder)) !== known) throw conflict();
  const next = known + 1;
  try {
    await createFileExclusive(`${folder}/${next}`, body);
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') throw conflict();
    throw error;
  }
  // Ours may fill the gap that a pruned version left: then it never counted.
  if ((await newestVersion(folder)) > next) throw conflict();
  await rm(`${folder}/${next - maxVersions}`, { force: true });
  return String(next);
}

async function newestVersion(folder: string): Promise<number> {
  const names = (await ignoreMissing(readdir(folder))) ?? [];
  return Math.max(0, ...names.filter((name) => /^\d+$/.test(name)).map(Number));
}
