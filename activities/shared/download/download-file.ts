import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { PartSource } from '../../../configs/schema/fetched-files.ts';
import { systemErrorCode } from '../errors/coded-error.ts';
import { toDiskFullError } from '../files/disk-full.ts';
import { raceSignal } from './sources/race-signal.ts';
import { fetchFromMirrors } from './fetch-from-mirrors.ts';
import { validatorOf } from './sources/file-version.ts';
import { BackgroundHash } from './parts/background-hash.ts';
import { PartFile } from './parts/part-file.ts';
import { ProgressMeter } from './progress-meter.ts';
import { redactUrl } from './sources/redact-url.ts';
import { lockTarget } from './target-lock.ts';
import type { DownloadRequest, DownloadResult } from './sources/download-request.ts';

/**
 * Downloads and verifies a file, and moves it to `target` atomically. After an interruption, kill -9 included, the next call
 * resumes from `<target>.part`. Transient errors are retried a few times per mirror; the caller retries all mirrors.
 * @throws CodedError DownloadRefused, DownloadFailed, SourceChanged, ChecksumMismatch or DiskFull, or the signal's reason.
 */
export const downloadFile = async (download: DownloadRequest): Promise<DownloadResult> => {
  const { target, signal, bytes, onProgress } = download;
  signal.throwIfAborted();
  const meter = new ProgressMeter(bytes, onProgress);
  const onWait = (): void => meter.note(`Waiting: another process is downloading ${target}.`);
  meter.start();
  try {
    const unlock = await lockTarget(target, { signal, onWait });
    try {
      return (await reuseTarget(download, meter)) ?? (await fetchTarget(download, meter));
    } finally {
      await unlock();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw toDiskFullError(error, `downloading ${target}.part`);
  } finally {
    meter.stop();
  }
};

/** Reuses an existing target with the expected hash. Without an expected hash, the file is always downloaded. */
const reuseTarget = async (download: DownloadRequest, meter: ProgressMeter): Promise<DownloadResult | null> => {
  const { target, bytes: expected, sha256, signal } = download;
  const file = sha256 === null ? null : await openIfPresent(target);
  if (file === null) return null;
  const hash = new BackgroundHash(file.fd);
  try {
    const { size } = await file.stat();
    if (expected !== null && size !== expected) return null;
    meter.show({ bytes: () => hash.hashedBytes, totalBytes: size });
    if ((await raceSignal(hash.finish(size), signal)) !== sha256) return null;
    await new PartFile(target).discard();
    meter.report();
    return { bytes: size, sha256, reused: true, resumedFromBytes: 0, url: null, notes: meter.notes };
  } finally {
    await hash.stop();
    await file.close();
  }
};

const fetchTarget = async (download: DownloadRequest, meter: ProgressMeter): Promise<DownloadResult> => {
  const part = new PartFile(download.target);
  try {
    meter.show({ bytes: () => part.bytes, totalBytes: download.bytes });
    await part.resume((source, end) => isUsable(source, end, download));
    meter.report();
    const { url, sha256 } = await fetchFromMirrors(download.urls, { options: download, part, meter });
    const { bytes, resumedFromBytes } = part;
    await part.publish();
    meter.report();
    return { bytes, sha256, reused: false, resumedFromBytes, url: redactUrl(url), notes: meter.notes };
  } finally {
    await part.close();
  }
};

/** Accepts any part when the hash is known. Otherwise the source must have named a version, and no reboot may be in between. */
const isUsable = (source: PartSource, end: number, { bytes: expected, sha256 }: DownloadRequest): boolean => {
  if (end > (expected ?? source.bytes ?? Infinity)) return false;
  return sha256 !== null || (validatorOf(source) !== null && !source.mixed);
};

const openIfPresent = async (path: string) => {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ELOOP') return null;
    throw error;
  }
};
