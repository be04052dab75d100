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

/** A file of this machine, which is copied. @param url as the policy has admitted it. */
export const openFileSource = (url: URL): Source => {
  const shown = url.href;
  const path = fileURLToPath(url);
  const openAnswer = async ({ first, last, whole, known }: RangeRequest): Promise<SourceResponse> => {
    const file = await openRegularFile(path, shown);
    try {
      const version = await readVersion(file);
      requireUnchanged(shown, known, version);
      const end = Math.min(last ?? Infinity, version.bytes - 1);
      if (end < first) throw new CodedError('DownloadRefused', `${shown} has no byte ${first}.`);
      const body = file.createReadStream({ start: first, end, highWaterMark: readBytes });
      return { ranged: !whole, first, last: end, version, body };
    } catch (error) {
      await file.close();
      throw error;
    }
  };
  const recheck = async ({ version }: SourceResponse): Promise<void> => {
    const now = toVersion(await stat(path, { bigint: true }));
    requireUnchanged(shown, version, now);
  };
  return { displayUrl: shown, open: openAnswer, verifyUnchanged: recheck, close: () => undefined };
};

/** Not blocking: opening a pipe that nobody writes to would wait for ever. */
const openRegularFile = async (path: string, shown: string): Promise<FileHandle> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw new CodedError('DownloadRefused', connectionError(shown, error).message, { cause: error });
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new CodedError('DownloadRefused', `${shown} is no plain file.`);
};

const readVersion = async (file: FileHandle): Promise<SizedVersion> => toVersion(await file.stat({ bigint: true }));

const toVersion = ({ ino, size, mtimeNs }: { ino: bigint; size: bigint; mtimeNs: bigint }): SizedVersion => ({
  etag: `"${ino}-${size}-${mtimeNs}"`,
  lastModified: null,
  bytes: Number(size),
});

const requireUnchanged = (shown: string, before: FileVersion | null, after: FileVersion): void => {
  if (before === null || isSameVersion(before, after)) return;
  const change = `${formatVersion(before)}, then ${formatVersion(after)}`;
  throw new VersionChanged(`${shown} changed while it was copied: ${change}.`, after);
};
