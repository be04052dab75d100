import { CodedError } from './coded-error.ts';
import type { PartFile } from './part-file.ts';
import { isSameVersion, validatorOf, type FileVersion } from './part-source.ts';
import { openRemoteFile, type RangeRejected, type RemoteFile } from './remote-file.ts';
import { showUrl } from './show-url.ts';

export interface DownloadProgress {
  readonly bytes: number;
  readonly totalBytes: number | null;
}

export interface WantedFile {
  /** Null where nobody publishes it. */
  readonly bytes: number | null;
  readonly sha256: string | null;
  /** A source that sends no byte for so long is left. */
  readonly stallMs: number;
  /** Also called while bytes already on the disk are hashed. */
  readonly onProgress: (progress: DownloadProgress) => void;
  readonly signal: AbortSignal;
}

/** Adds to the part what it lacks, from one source. The content is not checked yet. */
export const receiveRest = async (url: string, wanted: WantedFile, part: PartFile): Promise<void> => {
  // Only a known hash can tell whether two mirrors hold the same file.
  if (wanted.sha256 === null && part.source?.url !== url) await part.discard();
  if (part.bytes > 0 && part.bytes === (wanted.bytes ?? part.source?.bytes)) return;
  const remote = await openRest(url, wanted, part);
  try {
    await receive(remote, url, wanted, part);
  } finally {
    remote.close();
  }
};

const openRest = async (url: string, wanted: WantedFile, part: PartFile): Promise<RemoteFile> => {
  const known = part.source?.url === url ? part.source : null;
  const ifRange = known === null ? null : validatorOf(known);
  const answer = await openOfRightSize(url, part.bytes, ifRange, wanted);
  if ('rejected' in answer) {
    await part.discard();
    return openWhole(url, wanted);
  }
  if (known === null || answer.firstByte === 0 || isSameVersion(known, answer.version)) return answer;

  answer.close();
  await part.discard();
  const whole = await openWhole(url, wanted);
  if (isSameVersion(answer.version, whole.version)) return whole;
  whole.close();
  const versions = [known, answer.version, whole.version].map(showVersion).join(', then ');
  throw new CodedError('SourceChanged', `${showUrl(url)} changed twice while it was fetched: ${versions}.`);
};

const openWhole = async (url: string, wanted: WantedFile): Promise<RemoteFile> => {
  const answer = await openOfRightSize(url, 0, null, wanted);
  if ('rejected' in answer) throw new CodedError('DownloadRefused', `${showUrl(url)} ${answer.rejected}.`);
  return answer;
};

/** A file of the wrong size is known before its first byte, and costs nobody the part they have. */
const openOfRightSize = async (
  url: string,
  fromByte: number,
  ifRange: string | null,
  wanted: WantedFile,
): Promise<RemoteFile | RangeRejected> => {
  const { stallMs, signal } = wanted;
  const answer = await openRemoteFile({ url, fromByte, ifRange, stallMs, signal });
  if ('rejected' in answer) return answer;
  const { bytes } = answer.version;
  if (bytes !== null && wanted.bytes !== null && bytes !== wanted.bytes) {
    answer.close();
    throw wrongSize(url, wanted.bytes, `${bytes}`);
  }
  if (bytes === null && wanted.bytes === null && wanted.sha256 === null) {
    answer.close();
    const why = 'neither the catalog nor the server says how large it is, so a cut-off file would pass for a whole one';
    throw new CodedError('DownloadRefused', `${showUrl(url)} cannot be checked: ${why}.`);
  }
  return answer;
};

const receive = async (remote: RemoteFile, url: string, wanted: WantedFile, part: PartFile): Promise<void> => {
  if (remote.firstByte === 0) await part.discard();
  const mixed = part.bytes > 0 && (part.source?.mixed === true || part.source?.url !== url);
  const totalBytes = wanted.bytes ?? remote.version.bytes;
  await part.describe({ v: 1, url, ...remote.version, bytes: totalBytes, mixed });
  for await (const chunk of remote.chunks) {
    if (totalBytes !== null && part.bytes + chunk.length > totalBytes) {
      await part.discard();
      throw wrongSize(url, totalBytes, 'more');
    }
    await part.append(chunk);
    wanted.onProgress({ bytes: part.bytes, totalBytes });
  }
  // Nothing worth a download is empty, whatever the server says.
  if (part.bytes === 0 || (totalBytes !== null && part.bytes < totalBytes)) {
    const expected = totalBytes ?? 'unknown';
    throw new CodedError('DownloadFailed', `${showUrl(url)} ended after ${part.bytes} of ${expected} bytes.`);
  }
};

const wrongSize = (url: string, expected: number, got: string): CodedError =>
  new CodedError('ChecksumMismatch', `Expected ${showUrl(url)} to hold ${expected} bytes, got ${got}.`);

const showVersion = ({ etag, lastModified, bytes }: FileVersion): string =>
  `${etag ?? lastModified ?? 'unnamed'} (${bytes ?? 'unknown'} bytes)`;
