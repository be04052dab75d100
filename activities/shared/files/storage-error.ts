import { CodedError, systemErrorCode } from '../errors/coded-error.ts';

/** Errors of a file system that does not work: read-only, no permission, a failed disk or mount, a file for a folder. */
const storageCodes = new Set(
  'EROFS EACCES EPERM EIO EREMOTEIO ESTALE EUCLEAN EBADMSG ENXIO ENODEV ENOTCONN ENOTDIR EISDIR EEXIST ELOOP'.split(
    ' ',
  ),
);

/** Checks whether an error means that storage cannot be read or written at present. It says nothing about the content. */
export function isStorageError(error: unknown): error is Error {
  if (error instanceof CodedError) return error.code === 'StorageUnavailable';
  const code = systemErrorCode(error);
  return storageCodes.has(code ?? '') || (code === 'ENOENT' && isOfMkdir(error));
}

/** With `recursive`, mkdir reports ENOENT for a link to nowhere only. */
const isOfMkdir = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && error.syscall === 'mkdir';

/** Returns the result of a file system call; `otherwise` while the storage cannot be read. */
export async function ignoreStorageErrors<T>(operation: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    if (isStorageError(error)) return otherwise;
    throw error;
  }
}
