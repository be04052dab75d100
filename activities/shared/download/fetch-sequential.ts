import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { retryDelayMs } from './backoff.ts';
import { isSameVersion, formatVersion, type FileVersion } from './sources/file-version.ts';
import { openWithTimeout } from './sources/open-with-timeout.ts';
import { openSource } from './sources/open-source.ts';
import { RangeWriter, createWriterShare } from './parts/range-writer.ts';
import { receiveBody } from './receive-body.ts';
import { TransientError, VersionChanged } from './sources/source-errors.ts';
import type { Source } from './sources/source.ts';
import type { FetchOptions } from './sources/download-request.ts';

interface SequentialFile {
  readonly address: string;
  /** Expected version; another one is rejected. */
  readonly version: FileVersion & { readonly bytes: number };
  readonly path: string;
  /** Receives byte counts; negative when received bytes are discarded. */
  readonly onBytes: (bytes: number) => void;
  readonly onRetry: (error: TransientError) => void;
}

/**
 * Downloads a small file in one body and moves it to `path` atomically. Starts again after an error, which costs less for
 * images than tracking received bytes. After kill -9 the caller removes `<path>.<uuid>.tmp`.
 * @throws CodedError DownloadRefused, DownloadFailed, SourceChanged, a system error of the disk, or the signal's reason.
 */
export async function fetchSequential(file: SequentialFile, options: FetchOptions): Promise<void> {
  const { retry, signal } = options;
  const source = openSource(file.address, options);
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await fetchOnce(file, source, options);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof TransientError) || attempt === retry.maxAttempts) throw error;
        file.onRetry(error);
        await sleep(retryDelayMs(attempt, retry, error.retryAfterMs), undefined, { signal });
      }
    }
  } finally {
    source.close();
  }
}

async function fetchOnce(
  { version, path, onBytes }: SequentialFile,
  source: Source,
  options: FetchOptions,
): Promise<void> {
  const { displayUrl } = source;
  const temporary = `${path}.${randomUUID()}.tmp`;
  const releaseConnection = await options.limits.acquireConnection(options.signal);
  let received = 0;
  try {
    const request = { first: 0, last: null, withoutRange: true, known: version, signal: options.signal };
    const { body, version: served } = await openWithTimeout(source, request, options.stallMs);
    const changed = (now: FileVersion) =>
      new VersionChanged(
        `${displayUrl} changed after it was listed: ${formatVersion(version)}, then ${formatVersion(now)}.`,
        now,
      );
    if (!isSameVersion(version, served)) {
      body.destroy();
      throw changed(served);
    }
    const onPart = (bytes: number): void => {
      received += bytes;
      onBytes(bytes);
    };
    const overflowError = () => changed({ ...served, bytes: received });
    const disk = await open(temporary, 'wx').catch((error: unknown) => {
      body.destroy();
      throw error;
    });
    try {
      const writer = new RangeWriter(createWriterShare(disk), 0, () => undefined);
      await receiveBody(body, writer, { displayUrl, maxBytes: version.bytes, overflowError, onBytes: onPart }, options);
      if (received < version.bytes)
        throw new TransientError(`${displayUrl} closed the connection after ${received} of ${version.bytes} bytes.`);
      // Otherwise a power failure could leave an empty file under the final name.
      await disk.sync();
    } finally {
      await disk.close();
    }
    await rename(temporary, path);
  } catch (error) {
    onBytes(-received);
    await rm(temporary, { force: true });
    throw error;
  } finally {
    releaseConnection();
  }
}
