import { errorCatalogue } from '../../../configs/errors.ts';
import { CodedError } from '../errors/coded-error.ts';
import { raceSignal } from './sources/race-signal.ts';
import { fetchFromSource } from './fetch-from-source.ts';
import type { DownloadContext } from './download-context.ts';
import type { PartFile } from './parts/part-file.ts';
import { redactUrl } from './sources/redact-url.ts';
import { firstLine } from './sources/source-errors.ts';

export interface Fetched {
  readonly url: string;
  readonly sha256: string;
}

/** Fills the part with the file that is wanted, checked, from the first mirror that gives it. */
export const fetchFromMirrors = async (urls: readonly string[], fetching: DownloadContext): Promise<Fetched> => {
  const { options: wanted, part, meter } = fetching;
  const failures: CodedError[] = [];
  for (const url of resumableFirst(urls, part)) {
    const last = failures.at(-1);
    if (last !== undefined) meter.note(`Went on to ${redactUrl(url)}: ${firstLine(last)}`);
    try {
      return { url, sha256: await fetchAndCheck(url, fetching) };
    } catch (error) {
      wanted.signal.throwIfAborted();
      // Coded here means the fault of this source; the rest is about our own disk.
      if (!(error instanceof CodedError) || error.code === 'DiskFull') throw error;
      failures.push(error);
    }
  }
  throw joinFailures(failures, part);
};

/** The mirror that the part came from can go on with it for certain. */
const resumableFirst = (urls: readonly string[], part: PartFile): string[] => {
  const begun = part.source?.url;
  return [...urls.filter((url) => url === begun), ...urls.filter((url) => url !== begun)];
};

const fetchAndCheck = async (url: string, fetching: DownloadContext): Promise<string> => {
  const { options: wanted, part, meter } = fetching;
  await fetchFromSource(url, fetching);
  const sha256 = await raceSignal(part.finish(), wanted.signal);
  const mismatch = await findMismatch(url, sha256, fetching);
  if (mismatch === null) return sha256;
  const mixed = part.source?.mixed === true;
  await part.discard();
  if (!mixed) throw new CodedError('ChecksumMismatch', mismatch);
  // Bytes of several mirrors convict none of them: this one gets a chance with its own bytes alone.
  meter.note(`${mismatch} Some of it was of another mirror: begun anew.`);
  return fetchAndCheck(url, fetching);
};

const findMismatch = async (
  url: string,
  sha256: string,
  { options: wanted, part }: DownloadContext,
): Promise<string | null> => {
  const total = wanted.bytes ?? part.source?.bytes ?? part.bytes;
  if (part.bytes !== total) return `Expected ${redactUrl(url)} to hold ${total} bytes, got ${part.bytes}.`;
  const bytesAtPath = await part.bytesAtPath();
  if (bytesAtPath !== part.bytes) {
    const got = bytesAtPath ?? 'another file, or none';
    return `Expected ${part.path} to hold the ${part.bytes} bytes that came from ${redactUrl(url)}, got ${got}.`;
  }
  if (wanted.sha256 === null || wanted.sha256 === sha256) return null;
  return `Expected ${redactUrl(url)} to have the sha256 ${wanted.sha256}, got ${sha256} (${part.bytes} bytes).`;
};

/** One error for all mirrors; worth another try when any of them is. */
const joinFailures = (failures: readonly CodedError[], part: PartFile): CodedError => {
  const [first] = failures;
  if (first === undefined) return new CodedError('DownloadRefused', `No address is known for ${part.path}.`);
  if (failures.length === 1) return first;
  const { code } = failures.find((failure) => errorCatalogue[failure.code].retryable) ?? first;
  const reasons = failures.map((failure) => `- ${failure.code}: ${firstLine(failure)}`);
  const message = [`None of ${failures.length} mirrors filled ${part.path}:`, ...reasons].join('\n');
  return new CodedError(code, message, { cause: new AggregateError(failures, message) });
};
