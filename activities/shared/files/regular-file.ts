import { constants } from 'node:fs';
import { lstat, open, realpath, type FileHandle } from 'node:fs/promises';
import { systemErrorCode } from '../errors/coded-error.ts';
import { ignoreMissing } from './ignore-missing.ts';

/**
 * Reads a file below a folder that untrusted readers may see. The folder may be a link, for example to a larger disk.
 * @returns undefined if the file is missing, is no regular file, or if it or a folder on the way to it is a link.
 */
export async function readRegularFile<T>(
  folder: string,
  path: string,
  read: (file: FileHandle) => T | Promise<T>,
): Promise<T | undefined> {
  const file = await openRegularFile(folder, path);
  try {
    return file && (await read(file));
  } finally {
    await file?.close();
  }
}

async function openRegularFile(folder: string, path: string): Promise<FileHandle | undefined> {
  try {
    if ((await realpath(`${folder}/${path}`)) !== `${await realpath(folder)}/${path}`) return undefined;
    const file = await open(
      `${folder}/${path}`,
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK, // no wait for the writer of a pipe
    );
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemErrorCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** Returns whether `readRegularFile` would read a file; undefined if it is missing. */
export async function isRegularFile(folder: string, path: string): Promise<boolean | undefined> {
  if ((await readRegularFile(folder, path, () => true)) === true) return true;
  return (await ignoreMissing(lstat(`${folder}/${path}`))) === undefined ? undefined : false;
}
