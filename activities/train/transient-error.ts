import { errorCatalogue } from '../../configs/errors.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { isDiskFull } from '../shared/files/disk-full.ts';
import { SupervisorStartError } from '../shared/trainer/start-job.ts';

/** Returns whether a failed start may succeed later. Such a failure is an outcome of the attempt, and the workflow decides. */
export const isTransient = (error: unknown): error is Error =>
  isDiskFull(error) ||
  error instanceof SupervisorStartError ||
  // A failed download or upload: another machine, or a later attempt, may reach the server.
  (error instanceof CodedError && errorCatalogue[error.code].retryable && error.code !== 'Unexpected');
