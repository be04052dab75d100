import { errorCatalogue } from '../../configs/errors.ts';
import { CodedError } from './coded-error.ts';
import type { PartFile } from './part-file.ts';
import { receiveRest, type WantedFile } from './receive-rest.ts';
import { showUrl } from './show-url.ts';

/** Fills the part with the file that is wanted, checked, from the first mirror that gives it. */
export const fetchFromMirrors = async (urls: readonly string[], wanted: WantedFile, part: PartFile): Promise<void> => {
  const failures: CodedError[] = [];
  for (const url of begunFirst(urls, part)) {
    try {
      return await fetchAndCheck(url, wanted, part);
    } catch (error) {
      wanted.signal.throwIfAborted();
      // Coded here means the fault of this source; the rest is about our own disk.
      if (!(error instanceof CodedError)) throw error;
      failures.push(error);
    }
  }
  throw joinFailures(failures, part);
};

/** The mirror that the part came from can go on with it for certain. */
const begunFirst = (urls: readonly string[], part: PartFile): string[] => {
  const begun = part.source?.url;
  return [...urls.filter((url) => url === begun), ...urls.filter((url) => url !== begun)];
};

const fetchAndCheck = async (url: string, wanted: WantedFile, part: PartFile): Promise<void> => {
  await receiveRest(url, wanted, part);
  const mismatch = await findMismatch(url, wanted, part);
  if (mismatch === null) return;
  const mixed = part.source?.mixed === true;
  await part.discard();
  // Bytes of several mirrors convict none of them: this one gets a chance with its own bytes alone.
  if (mixed) return fetchAndCheck(url, wanted, part);
  throw new CodedError('ChecksumMismatch', mismatch);
};

const findMismatch = async (url: string, wanted: WantedFile, part: PartFile): Promise<string | null> => {
  const bytesOnDisk = await part.bytesOnDisk();
  if (bytesOnDisk !== part.bytes) {
    return `Expected ${part.path} to hold the ${part.bytes} bytes that came from ${showUrl(url)}, got ${bytesOnDisk}.`;
  }
  if (wanted.sha256 === null || wanted.sha256 === part.sha256) return null;
  return `Expected ${showUrl(url)} to have the sha256 ${wanted.sha256}, got ${part.sha256} (${part.bytes} bytes).`;
};

/** One error for all mirrors; worth another try when any of them is. */
const joinFailures = (failures: readonly CodedError[], part: PartFile): CodedError => {
  const [first] = failures;
  if (first === undefined) return new CodedError('DownloadRefused', `No address is known for ${part.path}.`);
  if (failures.length === 1) return first;
  const { code } = failures.find((failure) => errorCatalogue[failure.code].retryable) ?? first;
  // The first line says what happened, the second what to do.
  const reasons = failures.map((failure) => `- ${failure.code}: ${failure.message.split('\n')[0]}`);
  const message = [`None of ${failures.length} mirrors filled ${part.path}:`, ...reasons].join('\n');
  return new CodedError(code, message, { cause: new AggregateError(failures, message) });
};
