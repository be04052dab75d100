import { link, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatBytes } from '../shared/summary/format-bytes.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { mapConcurrent } from '../shared/download/map-concurrent.ts';
import { fetchWhole } from '../shared/download/fetch-sequential.ts';
import { ProgressMeter } from '../shared/download/progress-meter.ts';
import { firstLine } from '../shared/download/sources/source-errors.ts';
import { usualRetry } from '../shared/download/sources/wanted-file.ts';
import { nameDiskFull } from '../shared/files/disk-full.ts';
import { readDiskSpace } from '../shared/files/free-space.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { stallMs } from './download-into.ts';
import type { PreparationContext } from './preparation-context.ts';
import type { PrefixFile } from './prefix-files.ts';

/** Calls to the disk that wait for each other at once. */
const diskCalls = 16;

export interface PrefixCopy {
  /** Where the copy is kept: its files by `copy`, whole ones only, and for a while a folder `tree` of links to them. */
  readonly folder: string;
  /** The bucket and the prefix, as people know them. */
  readonly shown: string;
  /** What of it is called in progress. */
  readonly what: string;
  readonly files: readonly PrefixFile[];
  readonly addressOf: (file: PrefixFile) => string;
}

/** What of it no earlier copy holds. Names tell: a file has its own only when it is whole. */
export async function findUncopied({ folder, files }: Pick<PrefixCopy, 'folder' | 'files'>): Promise<PrefixFile[]> {
  const kept = new Set(await ignoreMissing(readdir(folder)));
  return files.filter(({ copy }) => !kept.has(copy));
}

/**
 * Shows the objects as a folder for as long as `use` lasts. Only what is not in the copy is fetched; a killed call's whole files
 * are in it. Nobody else may work on the same copy meanwhile.
 * @throws CodedError DownloadRefused, DownloadFailed, SourceChanged, DiskFull, or the signal's reason.
 */
export async function withPrefixFolder<T>(
  copy: PrefixCopy,
  context: PreparationContext,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const tree = `${copy.folder}/tree`;
  try {
    await mkdir(copy.folder, { recursive: true });
    await sweep(copy);
    await fetchMissing(copy, context);
    await linkTree(copy, tree, context.signal);
    return await use(tree);
  } catch (error) {
    context.signal.throwIfAborted();
    throw nameDiskFull(error, `copying ${copy.shown} to ${copy.folder}`);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

/** What is no longer there, or was left half done. */
async function sweep({ folder, files }: PrefixCopy): Promise<void> {
  const wanted = new Set(files.map(({ copy }) => copy));
  for (const name of await readdir(folder)) {
    if (!wanted.has(name)) await rm(`${folder}/${name}`, { recursive: true, force: true });
  }
}

async function fetchMissing(copy: PrefixCopy, context: PreparationContext): Promise<void> {
  const { folder, files, shown } = copy;
  const { limits, policy, s3, onProgress } = context;
  const whole = new Set<PrefixFile>();
  await mapConcurrent(files, { concurrency: diskCalls, signal: context.signal }, async (file) => {
    const found = await ignoreMissing(stat(`${folder}/${file.copy}`));
    if (found?.size === file.seen.bytes) whole.add(file);
  });
  const missing = files.filter((file) => !whole.has(file));
  const totalBytes = sumBytes(missing);
  await requireRoom(copy, totalBytes);
  const meter = new ProgressMeter(totalBytes, (progress) => onProgress({ what: copy.what, ...progress }));
  let received = 0;
  meter.show({ bytes: () => received, source: shown });
  const onBytes = (bytes: number): void => {
    received += bytes;
    if (bytes > 0) meter.received(bytes);
  };
  const onFault = (fault: Error): void => meter.note(firstLine(fault));
  meter.start();
  try {
    await mapConcurrent(missing, { concurrency: limits.connections, signal: context.signal }, (file, signal) =>
      fetchWhole(
        { address: copy.addressOf(file), version: file.seen, path: `${folder}/${file.copy}`, onBytes, onFault },
        { bytes: null, sha256: null, stallMs, retry: usualRetry, limits, policy, s3, signal },
      ),
    );
    meter.report();
  } finally {
    meter.stop();
  }
}

/** For what comes, and for the archive that is packed of all of it. */
async function requireRoom({ folder, shown, files }: PrefixCopy, missingBytes: number): Promise<void> {
  const { freeBytes } = await readDiskSpace(folder);
  const neededBytes = missingBytes + sumBytes(files);
  if (neededBytes <= freeBytes) return;
  const parts = `${formatBytes(missingBytes)} to fetch, ${formatBytes(neededBytes - missingBytes)} for its archive`;
  throw new CodedError('DiskFull', `${shown} needs ${parts}, and ${folder} has ${formatBytes(freeBytes)} free.`);
}

/** Links, so that nothing is there twice; names were checked, and the folder is new: nothing leads out of it. */
async function linkTree({ folder, files }: PrefixCopy, tree: string, signal: AbortSignal): Promise<void> {
  for (const parent of new Set(files.map(({ name }) => dirname(`${tree}/${name}`)))) {
    await mkdir(parent, { recursive: true });
  }
  await mapConcurrent(files, { concurrency: diskCalls, signal }, ({ copy, name }) =>
    link(`${folder}/${copy}`, `${tree}/${name}`),
  );
}

export const sumBytes = (files: readonly PrefixFile[]): number => files.reduce((sum, { seen }) => sum + seen.bytes, 0);
