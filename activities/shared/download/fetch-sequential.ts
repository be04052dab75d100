import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitMsAfter } from './backoff.ts';
import { isSameVersion, showVersion, type FileVersion } from './sources/file-version.ts';
import { openInTime } from './sources/open-in-time.ts';
import { openSource } from './sources/open-source.ts';
import { RangeWriter, shareOf } from './parts/range-writer.ts';
import { receiveBody } from './receive-body.ts';
import { TransientError, VersionChanged } from './sources/source-errors.ts';
import type { Source } from './sources/source.ts';
import type { WantedFile } from './sources/wanted-file.ts';

export interface WholeFile {
  readonly address: string;
  /** As it was seen: another one is not taken. */
  readonly version: FileVersion & { readonly bytes: number };
  readonly path: string;
  /** With what came; negative when it is thrown away again. */
  readonly onBytes: (bytes: number) => void;
  readonly onFault: (fault: TransientError) => void;
}

/**
 * One small file in one body, at `path` whole or not at all. What a fault cuts off is begun anew: for images that costs less
 * than a record of what came. Whoever sweeps the folder removes what kill -9 left: `<path>.<uuid>.tmp`.
 * @throws CodedError DownloadRefused, DownloadFailed, SourceChanged, a system error of the disk, or the signal's reason.
 */
export async function fetchWhole(file: WholeFile, wanted: WantedFile): Promise<void> {
  const { retry, signal } = wanted;
  const source = openSource(file.address, wanted);
  try {
    for (let faults = 1; ; faults += 1) {
      try {
        return await fetchOnce(file, source, wanted);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof TransientError) || faults === retry.tries) throw error;
        file.onFault(error);
        await sleep(waitMsAfter(faults, retry, error.retryAfterMs), undefined, { signal });
      }
    }
  } finally {
    source.close();
  }
}

async function fetchOnce({ version, path, onBytes }: WholeFile, source: Source, wanted: WantedFile): Promise<void> {
  const { shown } = source;
  const temporary = `${path}.${randomUUID()}.tmp`;
  const giveBack = await wanted.limits.takeConnection(wanted.signal);
  let received = 0;
  try {
    const request = { first: 0, last: null, whole: true, known: version, signal: wanted.signal };
    const { body, version: answered } = await openInTime(source, request, wanted.stallMs);
    const changed = (now: FileVersion) =>
      new VersionChanged(`${shown} changed since it was seen: ${showVersion(version)}, then ${showVersion(now)}.`, now);
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
      const writer = new RangeWriter(shareOf(disk), 0, () => undefined);
      await receiveBody(body, writer, { shown, maxBytes: version.bytes, tooMuch, onBytes: onPart }, wanted);
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
