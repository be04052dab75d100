import { ApplicationFailure, DefaultFailureConverter } from '@temporalio/common';
import type { ErrorCode } from '../configs/errors.ts';

const unreadable: ErrorCode = 'PayloadUnreadable';
const plain = new DefaultFailureConverter();

/** Moves message and stack trace of an error into a payload, which the codec encrypts. */
class EncodingFailureConverter extends DefaultFailureConverter {
  constructor() {
    super({ encodeCommonAttributes: true });
  }

  /** Leaves errors about keys readable: they hold no data, and people without the key need them. */
  override errorToFailure(...args: Parameters<DefaultFailureConverter['errorToFailure']>) {
    const [error] = args;
    const isAboutKeys = error instanceof ApplicationFailure && error.type === unreadable;
    return isAboutKeys ? plain.errorToFailure(...args) : super.errorToFailure(...args);
  }
}

/** The worker and the bundle of the workflows load it by this name. */
export const failureConverter = new EncodingFailureConverter();
