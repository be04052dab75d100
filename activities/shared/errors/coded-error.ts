import { errorCatalogue, type ErrorCode } from '../../../configs/errors.ts';

/** An error of the catalogue: what happened (message), what kind it is (code), and from the catalogue what to do next. */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(`${message}\nNext: ${errorCatalogue[code].nextStep}`, options);
    this.code = code;
  }
}

/** The code that Node puts on system errors, such as ENOSPC; undefined for everything else. */
export const systemErrorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
