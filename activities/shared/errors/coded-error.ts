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

/** Linux error numbers that Node reports as `Unknown system error`. */
const unnamedCodes = new Map([
  [116, 'ESTALE'],
  [117, 'EUCLEAN'],
  [121, 'EREMOTEIO'],
  [122, 'EDQUOT'],
]);

/** Returns the code of a Node system error, such as ENOSPC; undefined for other errors. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const number = 'errno' in error && typeof error.errno === 'number' ? -error.errno : 0;
  return unnamedCodes.get(number) ?? error.code;
}
