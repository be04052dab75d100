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

/** Maximum number of concurrent file system calls. */
const maxDiskCalls = 16;

export interface PrefixCopy {
  /** Folder of complete files, named by `copyName`; during an import also of `tree`, a folder of links to them. */
  readonly folder: string;
  /** Bucket and prefix, for messages. */
  readonly displayName: string;
  /** Name in progress reports. */
  readonly progressName: string;
  readonly files: readonly PrefixFile[];
  readonly addressOf: (file: PrefixFile) => string;
}

/** Finds the files that the copy lacks. A file gets its final name only when it is complete. */
export async function findMissingFiles({ folder, files }: Pick<PrefixCopy, 'folder' | 'files'>): Promise<PrefixFile[]> {
  const kept = new Set(await ignoreMissing(readdir(folder)));
  return files.filter(({ copyName: copy }) => !kept.has(copy));
}

/**
 * Downloads the missing objects of a prefix and passes their folder to `use`. Complete files of a killed call are
 * reused. The caller must hold the import lock of the prefix.
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

/** Removes incomplete files, and files whose objects no longer exist. */
async function removeStale({ folder, files }: PrefixCopy): Promise<void> {
  const expected = new Set(files.map(({ copyName: copy }) => copy));
  for (const name of await readdir(folder)) {
    if (!expected.has(name)) await rm(`${folder}/${name}`, { recursive: true, force: true });
  }
}

async function fetchMissing(copy: PrefixCopy, context: PreparationContext): Promise<void> {
  const { folder, files, displayName } = copy;
  const { limits, policy, s3, onProgress } = context;
  const complete = new Set<PrefixFile>();
  await mapConcurrent(files, { concurrency: maxDiskCalls, signal: context.signal }, async (file) => {
    const stats = await ignoreMissing(stat(`${folder}/${file.copyName}`));
    if (stats?.size === file.object.bytes) complete.add(file);
  });
  const missing = files.filter((file) => !complete.has(file));
  const totalBytes = sumBytes(missing);
  await requireDiskSpace(copy, totalBytes);
  const meter = new ProgressMeter(totalBytes, (progress) => onProgress({ what: copy.progressName, ...progress }));
  let received = 0;
  meter.show({ bytes: () => received, source: displayName });
  const onBytes = (bytes: number): void => {
    received += bytes;
    if (bytes > 0) meter.received(bytes);
  };
  const onRetry = (error: Error): void => meter.note(firstLine(error));
  meter.start();
  try {
    await mapConcurrent(missing, { concurrency: limits.connections, signal: context.signal }, (file, signal) =>
      fetchSequential(
        {
          address: copy.addressOf(file),
          version: file.object,
          path: `${folder}/${file.copyName}`,
          onBytes,
          onRetry,
        },
        { bytes: null, sha256: null, stallMs, retry: defaultRetry, limits, policy, s3, signal },
      ),
    );
    meter.report();
  } finally {
    meter.stop();
  }
}

/** Requires space for the missing files and for the archive of all files. */
async function requireDiskSpace({ folder, displayName, files }: PrefixCopy, missingBytes: number): Promise<void> {
  const { freeBytes } = await readDiskSpace(folder);
  const neededBytes = missingBytes + sumBytes(files);
  if (neededBytes <= freeBytes) return;
  const parts = `${formatBytes(missingBytes)} to download, ${formatBytes(neededBytes - missingBytes)} for its archive`;
  throw new CodedError('DiskFull', `${displayName} needs ${parts}, and ${folder} has ${formatBytes(freeBytes)} free.`);
}

/** Creates hard links, which take no space. Names are validated and the folder is new, so no link leaves it. */
async function linkTree({ folder, files }: PrefixCopy, tree: string, signal: AbortSignal): Promise<void> {
  for (const parent of new Set(files.map(({ name }) => dirname(`${tree}/${name}`)))) {
    await mkdir(parent, { recursive: true });
  }
  await mapConcurrent(files, { concurrency: maxDiskCalls, signal }, ({ copyName: copy, name }) =>
    link(`${folder}/${copy}`, `${tree}/${name}`),
  );
}

export const sumBytes = (files: readonly PrefixFile[]): number =>
  files.reduce((sum, { object }) => sum + object.bytes, 0);
