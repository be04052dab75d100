import { mkdir } from 'node:fs/promises';
import { homeFolders } from '../../configs/paths.ts';
import type { CatalogFile } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { downloadFile } from '../shared/download/download-file.ts';
import { defaultRetry, type DownloadProgress } from '../shared/download/sources/download-request.ts';
import type { FileHash } from '../shared/download/recorded-hash.ts';
import type { PreparationContext } from './preparation-context.ts';

/** Maximum time without a received byte; bytes received so far are kept. */
export const stallMs = 60_000;

/** Downloads a catalog file to the disk of the store and verifies its size and hash where they are known. */
export async function downloadInto(
  { file, urls: catalogUrls }: Pick<CatalogFile, 'file' | 'urls'>,
  expected: { bytes: number | null; sha256: string | null },
  context: PreparationContext,
): Promise<FileHash & { path: string; url: string }> {
  const { home, demoUrl, onProgress, signal, limits, policy, s3 } = context;
  const { downloads } = homeFolders(home);
  await mkdir(downloads, { recursive: true });
  const target = `${downloads}/${file}-${contentKey({ urls: catalogUrls, ...expected }).slice(0, 12)}`;
  const urls = catalogUrls.map((url) => resolveDemoUrl(url, demoUrl));
  const reportProgress = (progress: DownloadProgress) => onProgress({ what: file, ...progress });
  const { bytes, sha256, url } = await downloadFile({
    urls,
    target,
    ...expected,
    stallMs,
    retry: defaultRetry,
    onProgress: reportProgress,
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
    `${url} is available from the embedded stack only, and this worker runs without it.`,
  );
}
