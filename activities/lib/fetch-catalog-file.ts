import { mkdir } from 'node:fs/promises';
import type { CatalogFile } from '../../configs/schema.ts';
import { CodedError } from './coded-error.ts';
import { downloadFile } from './download.ts';
import { findRecordedHash, recordHash } from './recorded-hash.ts';

export interface FetchContext {
  /** Where the embedded stack serves `demo:` addresses; undefined without it. */
  demoUrl: string | undefined;
  onProgress: (progress: unknown) => void;
  signal: AbortSignal;
}

export interface FetchedFile {
  path: string;
  bytes: number;
  sha256: string;
  reused: boolean;
}

/** A server that sends nothing for so long is given up; what arrived is kept. */
const stallMs = 60_000;

/** One file of the catalog, checked and whole, in `folder`. Where the catalog knows no hash, the first download records it. */
export async function fetchCatalogFile(
  wanted: CatalogFile,
  folder: string,
  context: FetchContext,
): Promise<FetchedFile> {
  const { demoUrl, onProgress, signal } = context;
  await mkdir(folder, { recursive: true });
  const path = `${folder}/${wanted.file}`;
  const expected = wanted.sha256 === null ? await findRecordedHash(folder, wanted.file) : wanted;
  const got = await downloadFile({
    urls: wanted.urls.map((url) => resolveUrl(url, demoUrl)),
    target: path,
    bytes: expected?.bytes ?? wanted.bytes,
    sha256: expected?.sha256 ?? null,
    onProgress: (progress) => onProgress({ file: wanted.file, ...progress }),
    signal,
    stallMs,
  });
  if (wanted.sha256 === null) await recordHash(folder, wanted.file, got);
  return { path, bytes: got.bytes, sha256: got.sha256, reused: got.reused };
}

function resolveUrl(url: string, demoUrl: string | undefined): string {
  if (!url.startsWith('demo:')) return url;
  if (demoUrl !== undefined) return new URL(url.slice('demo:'.length), demoUrl).href;
  throw new CodedError(
    'DownloadRefused',
    `${url} is served by the embedded stack only, and this worker runs without it.`,
  );
}
