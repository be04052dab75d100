import { copyFile, mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Where finished things are kept: a folder here; an S3 bucket fits the same two lines. */
export interface ArtifactStore {
  /** Stores a file under a key, whole or not at all. @returns its address. */
  put(key: string, path: string): Promise<string>;
}

export const localStore = (folder: string): ArtifactStore => ({
  async put(key, path) {
    const target = `${folder}/${key}`;
    await mkdir(dirname(target), { recursive: true });
    await copyFile(path, `${target}.tmp`);
    await rename(`${target}.tmp`, target);
    return pathToFileURL(target).href;
  },
});
