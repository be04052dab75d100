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

export interface SequentialFile {
  readonly address: string;
  /** As it was seen: another one is not taken. */
  readonly version: FileVersion & { readonly bytes: number };
  readonly path: string;
  /** With what came; negative when it is thrown away again. */
  readonly onBytes: (bytes: number) => void;
  readonly onRetry: (fault: TransientError) => void;
}

/**
 * One small file in one body, at `path` whole or not at all. What a fault cuts off is begun anew: for images that costs less
 * than a record of what came. Whoever sweeps the folder removes what kill -9 left: `<path>.<uuid>.tmp`.
 * @throws CodedError DownloadRefused, DownloadFailed, SourceChanged, a system error of the disk, or the signal's reason.
 */
export async function fetchSequential(file: SequentialFile, wanted: FetchOptions): Promise<void> {
  const { retry, signal } = wanted;
  const source = openSource(file.address, wanted);
  try {
    for (let faults = 1; ; faults += 1) {
      try {
        return await fetchOnce(file, source, wanted);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof TransientError) || faults === retry.maxAttempts) throw error;
        file.onRetry(error);
        await sleep(retryDelayMs(faults, retry, error.retryAfterMs), undefined, { signal });
      }
    }
  } finally {
    source.close();
  }
}

async function fetchOnce(
  { version, path, onBytes }: SequentialFile,
  source: Source,
  wanted: FetchOptions,
): Promise<void> {
  const { displayUrl: shown } = source;
  const temporary = `${path}.${randomUUID()}.tmp`;
  const giveBack = await wanted.limits.takeConnection(wanted.signal);
  let received = 0;
  try {
    const request = { first: 0, last: null, whole: true, known: version, signal: wanted.signal };
    const { body, version: answered } = await openWithTimeout(source, request, wanted.stallMs);
    const changed = (now: FileVersion) =>
      new VersionChanged(
        `${shown} changed since it was seen: ${formatVersion(version)}, then ${formatVersion(now)}.`,
        now,
      );
    if (!isSameVersion(version, answered)) {
      body.destroy();
      throw changed(answered);
    }
    const onPart = (bytes: number): void => {
      received += bytes;
      onBytes(bytes);
    };
    const tooMuch = () => changed({ ...answered, bytes: received });
    const disk = await open(temporary, 'wx').catch((error: unknown) => {
      body.destroy();
      throw error;
    });
    try {
      const writer = new RangeWriter(createWriterShare(disk), 0, () => undefined);
      await receiveBody(
        body,
        writer,
        { displayUrl: shown, maxBytes: version.bytes, overflowError: tooMuch, onBytes: onPart },
        wanted,
      );
      if (received < version.bytes)
        throw new TransientError(`${shown} ended after ${received} of ${version.bytes} bytes.`);
      // Without it a power cut could leave the name with nothing under it.
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
    giveBack();
  }
}
