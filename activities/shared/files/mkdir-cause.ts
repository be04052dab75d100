import { access, constants, lstat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorCode } from '../errors/coded-error.ts';

/**
 * Returns the cause of a failed recursive mkdir. Node reports ENOENT if several folders are missing below one that cannot
 * be written. Returns other errors unchanged.
 */
export async function findMkdirCause(error: unknown): Promise<unknown> {
  if (!isMissingInMkdir(error)) return error;
  const parent = await findExistingParent(error.path);
  try {
    await access(parent, constants.W_OK);
    return error;
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') return error; // a link to nowhere
    if (cause instanceof Error) cause.message += `; needed to create '${error.path}'`;
    return cause;
  }
}

const isMissingInMkdir = (error: unknown): error is Error & { path: string } =>
  error instanceof Error &&
  systemErrorCode(error) === 'ENOENT' &&
  'syscall' in error &&
  error.syscall === 'mkdir' &&
  'path' in error &&
  typeof error.path === 'string';

async function findExistingParent(path: string): Promise<string> {
  const parent = dirname(path);
  const exists = await lstat(parent).then(
    () => true,
    () => false,
  );
  return exists || parent === path ? parent : findExistingParent(parent);
}
