import { link, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatBytes } from '../shared/summary/format-bytes.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { mapConcurrent } from '../shared/download/map-concurrent.ts';
import { fetchSequential } from '../shared/download/fetch-sequential.ts';
import { ProgressMeter } from '../shared/download/progress-meter.ts';
import { firstLine } from '../shared/download/sources/source-errors.ts';
import { defaultRetry } from '../shared/download/sources/download-request.ts';
import { toDiskFullError } from '../shared/files/disk-full.ts';
import { readDiskSpace } from '../shared/files/free-space.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { stallMs } from './download-into.ts';
import type { PreparationContext } from './preparation-context.ts';
import type { PrefixFile } from './prefix-files.ts';

/** Calls to the disk that wait for each other at once. */
const maxDiskCalls = 16;

export interface PrefixCopy {
  /** Where the copy is kept: its files by `copy`, whole ones only, and for a while a folder `tree` of links to them. */
  readonly folder: string;
  /** The bucket and the prefix, as people know them. */
  readonly displayName: string;
  /** What of it is called in progress. */
  readonly progressName: string;
  readonly files: readonly PrefixFile[];
  readonly addressOf: (file: PrefixFile) => string;
}

/** What of it no earlier copy holds. Names tell: a file has its own only when it is whole. */
export async function findMissingFiles({ folder, files }: Pick<PrefixCopy, 'folder' | 'files'>): Promise<PrefixFile[]> {
  const kept = new Set(await ignoreMissing(readdir(folder)));
  return files.filter(({ copyName: copy }) => !kept.has(copy));
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
    await removeStale(copy);
    await fetchMissing(copy, context);
    await linkTree(copy, tree, context.signal);
    return await use(tree);
  } catch (error) {
    context.signal.throwIfAborted();
    throw toDiskFullError(error, `copying ${copy.displayName} to ${copy.folder}`);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

/** What is no longer there, or was left half done. */
async function removeStale({ folder, files }: PrefixCopy): Promise<void> {
  const wanted = new Set(files.map(({ copyName: copy }) => copy));
  for (const name of await readdir(folder)) {
    if (!wanted.has(name)) await rm(`${folder}/${name}`, { recursive: true, force: true });
  }
}

async function fetchMissing(copy: PrefixCopy, context: PreparationContext): Promise<void> {
  const { folder, files, displayName: shown } = copy;
  const { limits, policy, s3, onProgress } = context;
  const whole = new Set<PrefixFile>();
  await mapConcurrent(files, { concurrency: maxDiskCalls, signal: context.signal }, async (file) => {
    const found = await ignoreMissing(stat(`${folder}/${file.copyName}`));
    if (found?.size === file.object.bytes) whole.add(file);
  });
  const missing = files.filter((file) => !whole.has(file));
  const totalBytes = sumBytes(missing);
  await requireDiskSpace(copy, totalBytes);
  const meter = new ProgressMeter(totalBytes, (progress) => onProgress({ what: copy.progressName, ...progress }));
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
      fetchSequential(
        {
          address: copy.addressOf(file),
          version: file.object,
          path: `${folder}/${file.copyName}`,
          onBytes,
          onRetry: onFault,
        },
        { bytes: null, sha256: null, stallMs, retry: defaultRetry, limits, policy, s3, signal },
      ),
    );
    meter.report();
  } finally {
    meter.stop();
  }
}

/** For what comes, and for the archive that is packed of all of it. */
async function requireDiskSpace(
  { folder, displayName: shown, files }: PrefixCopy,
  missingBytes: number,
): Promise<void> {
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
  await mapConcurrent(files, { concurrency: maxDiskCalls, signal }, ({ copyName: copy, name }) =>
    link(`${folder}/${copy}`, `${tree}/${name}`),
  );
}

export const sumBytes = (files: readonly PrefixFile[]): number =>
  files.reduce((sum, { object: seen }) => sum + seen.bytes, 0);
