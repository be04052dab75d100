import { mkdir } from 'node:fs/promises';
import { homeFolders } from '../../../configs/paths.ts';
import type { CatalogFile } from '../../../configs/schema.ts';
import { CodedError } from '../failures/coded-error.ts';
import { contentKey } from '../content-key.ts';
import { downloadFile } from '../download/download-file.ts';
import { usualRetry, type DownloadProgress } from '../download/wanted-file.ts';
import { findRecordedHash, recordHash, type FileHash } from '../download/recorded-hash.ts';
import { addObject, findObject, type StoredObject } from '../artifacts/objects.ts';
import { findTaken, localSource, lookAt, recordTaken, type LocalSource } from './local-source.ts';
import type { ObtainContext } from './obtain-context.ts';
import { packFolder } from './pack-folder.ts';

/** A server that sends nothing for so long is given up; what arrived is kept. */
const stallMs = 60_000;

/**
 * A file of the catalog as an object of the store, its hash checked. Where nobody publishes a hash, the first download
 * records it and later ones must match; a file or folder of the user's own is what it is when it is taken.
 */
export async function obtainFile(wanted: CatalogFile, context: ObtainContext): Promise<StoredObject> {
  const own = wanted.sha256 === null ? localSource(wanted.urls[0], context.policy) : undefined;
  return own === undefined ? obtainPublished(wanted, context) : takeOwn(wanted, own, context);
}

async function obtainPublished(wanted: CatalogFile, context: ObtainContext): Promise<StoredObject> {
  const { home } = context;
  const folder = homeFolders(home).recordedHashes;
  const record = `${wanted.file}-${contentKey(wanted.urls).slice(0, 12)}`;
  const known = wanted.sha256 === null ? await findRecordedHash(folder, record) : wanted;
  const present = known?.sha256 == null ? undefined : await findObject(home, known.sha256);
  if (present !== undefined) return { ...present, file: wanted.file };

  const expected = { bytes: known?.bytes ?? wanted.bytes, sha256: known?.sha256 ?? null };
  const { url, ...got } = await download(wanted, expected, context);
  if (wanted.sha256 === null) await recordHash(folder, record, got);
  return addObject(home, got.path, { sha256: got.sha256, name: wanted.file, origin: `fetched from ${url}` });
}

async function takeOwn(wanted: CatalogFile, own: LocalSource, context: ObtainContext): Promise<StoredObject> {
  const { home } = context;
  const taken = await findTaken(home, own);
  const present = taken === undefined ? undefined : await findObject(home, taken);
  if (present !== undefined) return { ...present, file: wanted.file };

  const look = await lookAt(own);
  const got = own.isFolder
    ? await packFolder(own.path, context)
    : await download(wanted, { bytes: null, sha256: null }, context);
  if ((await lookAt(own)) !== look) {
    throw new CodedError('SourceChanged', `${own.path} was changed while it was read.`);
  }
  const origin = `${own.isFolder ? 'packed' : 'copied'} from ${own.path}`;
  const object = await addObject(home, got.path, { sha256: got.sha256, name: wanted.file, origin });
  await recordTaken(home, own, look, got.sha256);
  return object;
}

async function download(
  wanted: CatalogFile,
  expected: { bytes: number | null; sha256: string | null },
  context: ObtainContext,
): Promise<FileHash & { path: string; url: string }> {
  const { home, demoUrl, onProgress, signal, limits, policy, s3 } = context;
  const { downloads } = homeFolders(home);
  await mkdir(downloads, { recursive: true });
  const target = `${downloads}/${wanted.file}-${contentKey({ urls: wanted.urls, ...expected }).slice(0, 12)}`;
  const urls = wanted.urls.map((url) => resolveDemoUrl(url, demoUrl));
  const progress = (now: DownloadProgress) => onProgress({ what: wanted.file, ...now });
  const { bytes, sha256, url } = await downloadFile({
    ...{ urls, target, ...expected, stallMs, retry: usualRetry, onProgress: progress, signal, limits, policy, s3 },
  });
  return { bytes, sha256, path: target, url: url ?? 'an earlier download' };
}

function resolveDemoUrl(url: string, demoUrl: string | undefined): string {
  if (!url.startsWith('demo:')) return url;
  if (demoUrl !== undefined) return new URL(url.slice('demo:'.length), demoUrl).href;
  throw new CodedError(
    'DownloadRefused',
    `${url} is served by the embedded stack only, and this worker runs without it.`,
  );
}
