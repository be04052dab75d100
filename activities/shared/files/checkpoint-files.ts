import { readdir, stat } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { CheckpointManifest } from '../../../configs/schema/index.ts';
import { ignoreMissing } from './ignore-missing.ts';
import { readJson } from './json-file.ts';

const manifestSuffix = '.json';
const fileSuffix = '.pth';

/** A checkpoint whose file was just verified against its manifest. */
export interface Checkpoint {
  path: string;
  manifest: CheckpointManifest;
}

/** A manifest on disk; `manifest` is undefined when it is invalid or names another file. */
export interface FoundManifest {
  /** File name of manifest and checkpoint, without suffix. */
  name: string;
  manifest: CheckpointManifest | undefined;
}

export const checkpointPath = (job: JobFolder, name: string): string => `${job.checkpoints}/${name}${fileSuffix}`;

export const manifestPath = (job: JobFolder, name: string): string => `${job.checkpoints}/${name}${manifestSuffix}`;

/** Lists all manifests in a folder. Ignores unfinished checkpoints: temporary files and files without a manifest. */
export async function listManifests(folder: string): Promise<FoundManifest[]> {
  const entries = (await ignoreMissing(readdir(folder, { withFileTypes: true }))) ?? [];
  const names = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(manifestSuffix) && !entry.name.startsWith('.'))
    .map((entry) => entry.name.slice(0, -manifestSuffix.length));
  return Promise.all(names.map((name) => readManifest(folder, name)));
}

/** Lists the checkpoint files without a valid manifest, by their names without suffix. */
export async function listUnrecorded(folder: string): Promise<string[]> {
  const recorded = new Set(
    (await listManifests(folder)).filter(({ manifest }) => manifest !== undefined).map(({ name }) => name),
  );
  return ((await ignoreMissing(readdir(folder, { withFileTypes: true }))) ?? [])
    .filter((entry) => entry.isFile() && entry.name.endsWith(fileSuffix) && !entry.name.startsWith('.'))
    .map(({ name }) => name.slice(0, -fileSuffix.length))
    .filter((name) => !recorded.has(name));
}

async function readManifest(folder: string, name: string): Promise<FoundManifest> {
  const manifest = await readJson(`${folder}/${name}${manifestSuffix}`, CheckpointManifest);
  return { name, manifest: manifest?.file === `${name}${fileSuffix}` ? manifest : undefined };
}

/** Returns the size of a file; undefined when it does not exist. */
export const fileSize = async (path: string): Promise<number | undefined> => (await ignoreMissing(stat(path)))?.size;
