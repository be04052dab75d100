import { chmod, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { homeFolders } from '../../../configs/paths.ts';
import { ObjectManifest, type FileMark, type StoredFile } from '../../../configs/schema/index.ts';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { isSameMark, readFileMark } from '../files/file-mark.ts';
import { readJson } from '../files/json-file.ts';
import { sha256OfFile, syncFolder, writeFileAtomic } from '../files/atomic-file.ts';

/** An object of a worker's content-addressed store: the read-only file `store/objects/<aa>/<sha256>` and its manifest. */
export interface StoredObject extends StoredFile {
  path: string;
}

/**
 * Finds an object whose content matches its hash. The file is rehashed only when its mark has changed. A damaged object is
 * moved aside, and the next fetch restores it.
 */
export async function findObject(home: string, sha256: string): Promise<StoredObject | undefined> {
  const path = homeFolders(home).object(sha256);
  const mark = await readFileMark(path);
  if (mark === undefined) return undefined;
  const manifest = await readJson(manifestPath(path), ObjectManifest);
  const file = manifest?.name ?? sha256;
  if (manifest === undefined || !isSameMark(manifest.mark, mark)) {
    if (!(await verifyOrQuarantine(home, sha256, manifest))) return undefined;
  }
  return { path, file, sha256, bytes: mark.bytes };
}

interface NewObject {
  sha256: string;
  name: string;
  origin: string;
}

/** Moves a complete, synced file of the same file system into the store. Concurrent calls with the same content are safe. */
export async function addObject(
  home: string,
  file: string,
  { sha256, name, origin }: NewObject,
): Promise<StoredObject> {
  const path = homeFolders(home).object(sha256);
  await mkdir(dirname(path), { recursive: true });
  await chmod(file, 0o444);
  await rename(file, path);
  await syncFolder(dirname(path));
  const mark = await writeManifest(path, { sha256, name, origin });
  return { path, file: name, sha256, bytes: mark.bytes };
}

/** Reads the manifest of an object; undefined when the store does not hold it. */
export const findManifest = (home: string, sha256: string): Promise<ObjectManifest | undefined> =>
  readJson(manifestPath(homeFolders(home).object(sha256)), ObjectManifest);

/** Lists the manifests of all objects without verifying them. */
export async function listObjects(home: string): Promise<ObjectManifest[]> {
  const { objects } = homeFolders(home);
  const files = (await ignoreMissing(readdir(objects, { recursive: true }))) ?? [];
  const manifests = await Promise.all(
    files.filter((file) => file.endsWith('.json')).map((file) => readJson(`${objects}/${file}`, ObjectManifest)),
  );
  return manifests.filter((manifest) => manifest !== undefined);
}

/** Rehashes an object regardless of its mark. Returns whether the hash matches. */
export async function rehashObject(home: string, manifest: ObjectManifest): Promise<boolean> {
  return verifyOrQuarantine(home, manifest.sha256, manifest);
}

async function verifyOrQuarantine(
  home: string,
  sha256: string,
  manifest: ObjectManifest | undefined,
): Promise<boolean> {
  const path = homeFolders(home).object(sha256);
  try {
    if ((await sha256OfFile(path)) === sha256) {
      await writeManifest(path, { sha256, name: manifest?.name ?? sha256, origin: manifest?.origin ?? 'unknown' });
      return true;
    }
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
  const { damaged } = homeFolders(home);
  await mkdir(damaged, { recursive: true });
  await rename(path, `${damaged}/${sha256}`);
  await rm(manifestPath(path), { force: true });
  return false;
}

async function writeManifest(path: string, { sha256, name, origin }: NewObject): Promise<FileMark> {
  const mark = await readFileMark(path);
  if (mark === undefined) throw new CodedError('StoreDamaged', `${path} was removed while it was being stored.`);
  const manifest: ObjectManifest = { v: 1, sha256, name, origin, createdAt: Date.now() / 1000, mark };
  await writeFileAtomic(manifestPath(path), JSON.stringify(manifest));
  return mark;
}

export const manifestPath = (objectPath: string): string => `${objectPath}.json`;
