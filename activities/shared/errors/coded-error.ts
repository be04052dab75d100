import { errorCatalogue, nextStepMark, type ErrorCode } from '../../../configs/errors.ts';

/** An error of the catalog in configs/errors.ts. The message says what happened and ends with the next step of its code. */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(`${message}${nextStepMark}${errorCatalogue[code].nextStep}`, options);
    this.code = code;
  }
}

/** Linux errors that Node reports as `Unknown system error`, by number. */
const unnamedErrors = new Map([
  [116, { code: 'ESTALE', meaning: 'stale file handle' }],
  [117, { code: 'EUCLEAN', meaning: 'structure needs cleaning' }],
  [121, { code: 'EREMOTEIO', meaning: 'remote I/O error' }],
  [122, { code: 'EDQUOT', meaning: 'disk quota exceeded' }],
]);

/** Returns the code of a Node system error, such as ENOSPC; undefined for other errors. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  const number = 'errno' in error && typeof error.errno === 'number' ? -error.errno : 0;
  return unnamedErrors.get(number)?.code ?? error.code;
}

/** Returns the message of an error; `Unknown system error` is replaced by the name and the meaning. */
export const errorMessage = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replaceAll(
    /(?:Unknown system error -(\d+)(?:: )?)+/g,
    (text, number: string) => {
      const known = unnamedErrors.get(Number(number));
      return known === undefined ? text : `${known.code}: ${known.meaning}`;
    },
  );
