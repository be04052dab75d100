import { isDiskFull } from '../shared/files/disk-full.ts';
import { SupervisorStartError } from '../shared/trainer/start-job.ts';

/** Returns whether a failed start may succeed later. Such a failure is an outcome of the attempt, and the workflow decides. */
export const isTransient = (error: unknown): error is Error =>
  isDiskFull(error) || error instanceof SupervisorStartError;
