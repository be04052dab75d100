import { readdir, stat } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import { CheckpointManifest } from '../../../configs/schema/index.ts';
import { ignoreMissing } from './ignore-missing.ts';
import { readJson } from './json-file.ts';

const manifestSuffix = '.json';

/** A checkpoint whose manifest was just held against the file. */
export interface Checkpoint {
  path: string;
  manifest: CheckpointManifest;
}

/** A manifest as it lies there. Without content it does not parse, or speaks of another file than its own. */
export interface FoundManifest {
  /** Of manifest and file, without their suffixes. */
  name: string;
  manifest: CheckpointManifest | undefined;
}

export const checkpointPath = (job: JobFolder, name: string): string => `${job.checkpoints}/${name}.pth`;

/** Every manifest. What a writer has not finished (temporary names, files without a manifest) does not exist. */
export async function listManifests(job: JobFolder): Promise<FoundManifest[]> {
  const entries = (await ignoreMissing(readdir(job.checkpoints, { withFileTypes: true }))) ?? [];
  const names = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(manifestSuffix) && !entry.name.startsWith('.'))
    .map((entry) => entry.name.slice(0, -manifestSuffix.length));
  return Promise.all(names.map((name) => readManifest(job, name)));
}

async function readManifest(job: JobFolder, name: string): Promise<FoundManifest> {
  const manifest = await readJson(`${job.checkpoints}/${name}${manifestSuffix}`, CheckpointManifest);
  return { name, manifest: manifest?.file === `${name}.pth` ? manifest : undefined };
}

/** Undefined where there is no file. */
export const fileSize = async (path: string): Promise<number | undefined> => (await ignoreMissing(stat(path)))?.size;
