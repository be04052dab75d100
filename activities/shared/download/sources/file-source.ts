import { constants } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { CodedError } from '../../errors/coded-error.ts';
import { isSameVersion, formatVersion, type FileVersion } from './file-version.ts';
import { connectionError, VersionChanged } from './source-errors.ts';
import type { SourceResponse, RangeRequest, Source } from './source.ts';

interface SizedVersion extends FileVersion {
  readonly bytes: number;
}

const readBytes = 1024 * 1024;

/**
 * Opens a local file as a source.
 * @param url that the policy allows.
 */
export const openFileSource = (url: URL): Source => {
  const displayUrl = url.href;
  const path = fileURLToPath(url);
  const openRange = async ({ first, last, withoutRange, known }: RangeRequest): Promise<SourceResponse> => {
    const file = await openRegularFile(path, displayUrl);
    try {
      const version = await readVersion(file);
      requireUnchanged(displayUrl, known, version);
      const end = Math.min(last ?? Infinity, version.bytes - 1);
      if (end < first)
        throw new CodedError(
          'DownloadRefused',
          `Range starts past the end of the file: ${displayUrl} has ${version.bytes} bytes, byte ${first} was requested.`,
        );
      const body = file.createReadStream({ start: first, end, highWaterMark: readBytes });
      return { ranged: !withoutRange, first, last: end, version, body };
    } catch (error) {
      await file.close();
      throw error;
    }
  };
  const recheck = async ({ version }: SourceResponse): Promise<void> => {
    const now = toVersion(await stat(path, { bigint: true }));
    requireUnchanged(displayUrl, version, now);
  };
  return { displayUrl, open: openRange, verifyUnchanged: recheck, close: () => undefined };
};

/** Opens without blocking, because opening a named pipe without a writer would wait forever. */
const openRegularFile = async (path: string, displayUrl: string): Promise<FileHandle> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw new CodedError('DownloadRefused', connectionError(displayUrl, error).message, { cause: error });
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new CodedError('DownloadRefused', `${displayUrl} is not a regular file.`);
};

const readVersion = async (file: FileHandle): Promise<SizedVersion> => toVersion(await file.stat({ bigint: true }));

const toVersion = ({ ino, size, mtimeNs }: { ino: bigint; size: bigint; mtimeNs: bigint }): SizedVersion => ({
  etag: `"${ino}-${size}-${mtimeNs}"`,
  lastModified: null,
  bytes: Number(size),
});

const requireUnchanged = (displayUrl: string, before: FileVersion | null, after: FileVersion): void => {
  if (before === null || isSameVersion(before, after)) return;
  const change = `${formatVersion(before)}, then ${formatVersion(after)}`;
  throw new VersionChanged(`${displayUrl} changed while it was being copied: ${change}.`, after);
};
