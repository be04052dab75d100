import { systemErrorCode } from '../errors/coded-error.ts';

/** What was asked of a file or folder; undefined where there is none (ENOENT). Every other error stays one. */
export async function ignoreMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
