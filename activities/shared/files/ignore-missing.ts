import { systemErrorCode } from '../errors/coded-error.ts';

/** Returns the result of a file system call; undefined when the file does not exist (ENOENT). */
export async function ignoreMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
