import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { PartSource } from '../../configs/fetched-files.ts';
import { systemErrorCode } from './coded-error.ts';
import { nameDiskFull } from './disk-full.ts';
import { fetchFromMirrors } from './fetch-from-mirrors.ts';
import { PartFile } from './part-file.ts';
import { validatorOf } from './part-source.ts';
import type { WantedFile } from './receive-rest.ts';
import { hashFileInto, type Hashing } from './whole-file.ts';

export interface Download extends WantedFile {
  /** Mirrors of one file: first the one that an unfinished part came from, then in this order. */
  readonly urls: readonly string[];
  readonly target: string;
}

export interface Downloaded {
  readonly bytes: number;
  readonly sha256: string;
  readonly reused: boolean;
  /** How many of the bytes an earlier, unfinished call had fetched. */
  readonly resumedFromBytes: number;
}

/**
 * Puts a checked file at `target`, whole or not at all. What ends it early, kill -9 included, leaves `<target>.part`,
 * from which the next call goes on. Each mirror is tried once; trying again is left to the caller.
 */
export const downloadFile = async (download: Download): Promise<Downloaded> => {
  const part = new PartFile(download.target);
  try {
    download.signal.throwIfAborted();
    return (await reuseTarget(download, part)) ?? (await fetchTarget(download, part));
  } catch (error) {
    download.signal.throwIfAborted();
    throw nameDiskFull(error, `downloading ${part.path}`);
  } finally {
    await part.close();
  }
};

/** Without a known hash nobody can say whether the target is what was asked for: it is fetched again. */
const reuseTarget = async (download: Download, part: PartFile): Promise<Downloaded | null> => {
  const { target, bytes: expected, sha256 } = download;
  const bytes = await sizeIfThere(target);
  if (bytes === null || sha256 === null || (expected !== null && bytes !== expected)) return null;
  const hash = createHash('sha256');
  await hashFileInto(hash, target, hashingOf(download));
  if (hash.digest('hex') !== sha256) return null;
  await part.discard();
  return { bytes, sha256, reused: true, resumedFromBytes: 0 };
};

const fetchTarget = async (download: Download, part: PartFile): Promise<Downloaded> => {
  await part.resume((source, bytes) => isUsable(source, bytes, download), hashingOf(download));
  await fetchFromMirrors(download.urls, download, part);
  const { bytes, sha256, resumedFromBytes } = part;
  await part.publish();
  return { bytes, sha256, reused: false, resumedFromBytes };
};

/** With a known hash any prefix may be tried; without one its source must have named the version. */
const isUsable = (source: PartSource, bytes: number, { bytes: expected, sha256 }: Download): boolean => {
  if (bytes > (expected ?? source.bytes ?? Infinity)) return false;
  return sha256 !== null || validatorOf(source) !== null;
};

const hashingOf = ({ signal, bytes: totalBytes, onProgress }: Download): Hashing => ({
  signal,
  onBytes: (bytes) => onProgress({ bytes, totalBytes }),
});

const sizeIfThere = async (path: string): Promise<number | null> => {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
};
