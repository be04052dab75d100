import { chmod, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { homeFolders } from '../../../configs/paths.ts';
import { ObjectManifest, type FileMark, type StoredFile } from '../../../configs/schema/index.ts';
import { CodedError, systemErrorCode } from '../errors/coded-error.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { isSameMark, readFileMark } from '../files/file-mark.ts';
import { readJson } from '../files/json-file.ts';
import { sha256OfFile, syncFolder, writeFileAtomic } from '../files/atomic-file.ts';

/** The content-addressed store of a worker: `store/objects/<aa>/<sha256>`, read-only, each with a manifest beside it. */
export interface StoredObject extends StoredFile {
  path: string;
}

/**
 * An object whose bytes are what its name says. They are hashed again only when the file was touched since the last time;
 * one that changed is moved aside, so that nobody uses it and the next fetch brings it back.
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

export interface NewObject {
  sha256: string;
  name: string;
  origin: string;
}

/** Moves a finished, synced file of the same file system into the store. Two at once with the same bytes do no harm. */
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

/** What the store says of an object; undefined where it has none. */
export const findManifest = (home: string, sha256: string): Promise<ObjectManifest | undefined> =>
  readJson(manifestPath(homeFolders(home).object(sha256)), ObjectManifest);

/** Every object by its name, damaged or not; nothing is hashed. */
export async function listObjects(home: string): Promise<ObjectManifest[]> {
  const { objects } = homeFolders(home);
  const files = (await ignoreMissing(readdir(objects, { recursive: true }))) ?? [];
  const manifests = await Promise.all(
    files.filter((file) => file.endsWith('.json')).map((file) => readJson(`${objects}/${file}`, ObjectManifest)),
  );
  return manifests.filter((manifest) => manifest !== undefined);
}

/** Takes the hash anew, whatever the file's marks say. @returns whether it is the object's. */
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
  if (mark === undefined) throw new CodedError('StoreDamaged', `${path} went away while it was being stored.`);
  const manifest: ObjectManifest = { v: 1, sha256, name, origin, createdAt: Date.now() / 1000, mark };
  await writeFileAtomic(manifestPath(path), JSON.stringify(manifest));
  return mark;
}

export const manifestPath = (objectPath: string): string => `${objectPath}.json`;
