import { isDiskFull } from '../shared/files/disk-full.ts';
import { isStorageError } from '../shared/files/storage-error.ts';
import { CheckpointsLostError } from '../shared/run/saved-steps.ts';
import { SupervisorStartError } from '../shared/trainer/start-job.ts';

/** Returns whether a failed start may succeed later. Such a failure is an outcome of the attempt, and the workflow decides. */
export const isTransient = (error: unknown): error is Error =>
  isDiskFull(error) ||
  isStorageError(error) ||
  error instanceof SupervisorStartError ||
  error instanceof CheckpointsLostError;
