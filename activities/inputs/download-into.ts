import { mkdir } from 'node:fs/promises';
import { homeFolders } from '../../configs/paths.ts';
import type { CatalogFile } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { downloadFile } from '../shared/download/download-file.ts';
import { defaultRetry, type DownloadProgress } from '../shared/download/sources/download-request.ts';
import type { FileHash } from '../shared/download/recorded-hash.ts';
import type { PreparationContext } from './preparation-context.ts';

/** A server that sends nothing for so long is given up; what arrived is kept. */
export const stallMs = 60_000;

/** One file of the catalog on the disk of the store, checked as far as anything is known of it. */
export async function downloadInto(
  { file, urls: named }: Pick<CatalogFile, 'file' | 'urls'>,
  expected: { bytes: number | null; sha256: string | null },
  context: PreparationContext,
): Promise<FileHash & { path: string; url: string }> {
  const { home, demoUrl, onProgress, signal, limits, policy, s3 } = context;
  const { downloads } = homeFolders(home);
  await mkdir(downloads, { recursive: true });
  const target = `${downloads}/${file}-${contentKey({ urls: named, ...expected }).slice(0, 12)}`;
  const urls = named.map((url) => resolveDemoUrl(url, demoUrl));
  const progress = (now: DownloadProgress) => onProgress({ what: file, ...now });
  const { bytes, sha256, url } = await downloadFile({
    urls,
    target,
    ...expected,
    stallMs,
    retry: defaultRetry,
    onProgress: progress,
    signal,
    limits,
    policy,
    s3,
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
