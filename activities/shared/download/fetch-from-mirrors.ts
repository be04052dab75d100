import { errorCatalogue } from '../../../configs/errors.ts';
import { CodedError } from '../errors/coded-error.ts';
import { raceSignal } from './sources/race-signal.ts';
import { fetchFromSource } from './fetch-from-source.ts';
import type { DownloadContext } from './download-context.ts';
import type { PartFile } from './parts/part-file.ts';
import { redactUrl } from './sources/redact-url.ts';
import { firstLine } from './sources/source-errors.ts';

interface Fetched {
  readonly url: string;
  readonly sha256: string;
}

/** Downloads and verifies the file from the first mirror that delivers it. */
export const fetchFromMirrors = async (urls: readonly string[], context: DownloadContext): Promise<Fetched> => {
  const { options, part, meter } = context;
  const failures: CodedError[] = [];
  for (const url of resumableFirst(urls, part)) {
    const last = failures.at(-1);
    if (last !== undefined) meter.note(`Trying the next mirror, ${redactUrl(url)}: ${firstLine(last)}`);
    try {
      return { url, sha256: await fetchAndCheck(url, context) };
    } catch (error) {
      options.signal.throwIfAborted();
      // Coded errors concern this source; other errors concern the local disk.
      if (!(error instanceof CodedError) || error.code === 'DiskFull') throw error;
      failures.push(error);
    }
  }
  throw joinFailures(failures, part);
};

/** Moves the mirror of an existing part to the front, because it can resume the part. */
const resumableFirst = (urls: readonly string[], part: PartFile): string[] => {
  const current = part.source?.url;
  return [...urls.filter((url) => url === current), ...urls.filter((url) => url !== current)];
};

const fetchAndCheck = async (url: string, context: DownloadContext): Promise<string> => {
  const { options, part, meter } = context;
  await fetchFromSource(url, context);
  const sha256 = await raceSignal(part.finish(), options.signal);
  const mismatch = await findMismatch(url, sha256, context);
  if (mismatch === null) return sha256;
  const mixed = part.source?.mixed === true;
  await part.discard();
  if (!mixed) throw new CodedError('ChecksumMismatch', mismatch);
  // With bytes from several mirrors, the wrong one is unknown, so this mirror starts again with an empty part.
  meter.note(`${mismatch} Some bytes came from another mirror: starting again with an empty file.`);
  return fetchAndCheck(url, context);
};

const findMismatch = async (
  url: string,
  sha256: string,
  { options, part }: DownloadContext,
): Promise<string | null> => {
  const total = options.bytes ?? part.source?.bytes ?? part.bytes;
  if (part.bytes !== total) return `Expected ${redactUrl(url)} to have ${total} bytes, got ${part.bytes}.`;
  const bytesAtPath = await part.bytesAtPath();
  if (bytesAtPath !== part.bytes) {
    const got = bytesAtPath ?? 'a different file or none';
    return `Expected ${part.path} to hold the ${part.bytes} bytes that came from ${redactUrl(url)}, got ${got}.`;
  }
  if (options.sha256 === null || options.sha256 === sha256) return null;
  return `Expected ${redactUrl(url)} to have the sha256 ${options.sha256}, got ${sha256} (${part.bytes} bytes).`;
};

/** Joins the errors of all mirrors. The result is retryable if any of them is. */
const joinFailures = (failures: readonly CodedError[], part: PartFile): CodedError => {
  const [first] = failures;
  if (first === undefined) return new CodedError('DownloadRefused', `No URL is known for ${part.path}.`);
  if (failures.length === 1) return first;
  const { code } = failures.find((failure) => errorCatalogue[failure.code].retryable) ?? first;
  const reasons = failures.map((failure) => `- ${failure.code}: ${firstLine(failure)}`);
  const message = [`All ${failures.length} mirrors of ${part.path} failed:`, ...reasons].join('\n');
  return new CodedError(code, message, { cause: new AggregateError(failures, message) });
};
