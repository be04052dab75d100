import { errorCatalogue, type ErrorCode } from '../../../configs/errors.ts';

/** An error of the catalog in configs/errors.ts. The message says what happened and ends with the next step of its code. */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(`${message}\nNext: ${errorCatalogue[code].nextStep}`, options);
    this.code = code;
  }
}

/** Returns the code of a Node system error, such as ENOSPC; undefined for other errors. */
export const systemErrorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
