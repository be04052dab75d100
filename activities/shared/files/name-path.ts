import { systemErrorCode } from '../errors/coded-error.ts';

/** Returns the result of file operations. Adds the path to their errors: Node omits it for a file that is open. */
export async function namePath<T>(path: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    if (error instanceof Error && systemErrorCode(error) !== undefined && !('path' in error)) {
      error.message += ` '${path}'`;
      Object.assign(error, { path });
    }
    throw error;
  }
}
