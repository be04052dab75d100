import type { ErrorCode } from '../../../configs/errors.ts';
import { FailureCatalogue, type FailureClass } from '../../../configs/schema/index.ts';
import failures from '../../../configs/failures.json' with { type: 'json' };

/** A class of configs/failures.json with compiled patterns. */
interface KnownFailure {
  entry: FailureClass;
  patterns: RegExp[];
}

export const failureCatalogue: readonly KnownFailure[] = FailureCatalogue.parse(failures).classes.map((entry) => ({
  entry,
  patterns: entry.patterns.map((pattern) => new RegExp(pattern)),
}));

/** Returns the class whose pattern matches a log line; the first one if there are several. */
export const findFailureClass = (line: string): FailureClass | undefined =>
  failureCatalogue.find(({ patterns }) => patterns.some((pattern) => pattern.test(line)))?.entry;

/** Returns the code of a failure that ends once the storage works again; undefined for other failures. */
export function storageCode(reaction: string | undefined): ErrorCode | undefined {
  if (reaction === 'wait-for-space') return 'DiskFull';
  return reaction === 'wait-for-storage' ? 'StorageUnavailable' : undefined;
}

/** Classes that the worker assigns itself, from an observed state instead of a log line. */
type WorkerFailure = 'hung' | 'supervisor-killed' | 'run-folder-lost' | 'disk-full' | 'too-few-gpus' | 'unknown';

export function workerFailure(name: WorkerFailure): FailureClass {
  const found = failureCatalogue.find(({ entry }) => entry.class === name);
  if (found === undefined) throw new Error(`configs/failures.json has no failure class ${name}. Add it.`);
  return found.entry;
}
