import { pathToFileURL } from 'node:url';
import { mkdir } from 'node:fs/promises';
import { homeFolders } from '../../configs/paths.ts';
import type { CatalogFile } from '../../configs/schema/index.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { downloadFile } from '../shared/download/download-file.ts';
import { defaultRetry, type DownloadProgress } from '../shared/download/sources/download-request.ts';
import type { FileHash } from '../shared/download/recorded-hash.ts';
import { ensureMiniCoco } from './mini-coco.ts';
import type { PreparationContext } from './preparation-context.ts';

/** Maximum time without a received byte; bytes received so far are kept. */
export const stallMs = 60_000;

/** Downloads a catalog file to the disk of the store and verifies its size and hash where they are known. */
export async function downloadInto(
  { file, urls: catalogUrls }: Pick<CatalogFile, 'file' | 'urls'>,
  expected: { bytes: number | null; sha256: string | null },
  context: PreparationContext,
): Promise<FileHash & { path: string; url: string }> {
  const { home, onProgress, signal, limits, policy, s3 } = context;
  const { downloads } = homeFolders(home);
  await mkdir(downloads, { recursive: true });
  const target = `${downloads}/${file}-${contentKey({ urls: catalogUrls, ...expected }).slice(0, 12)}`;
  const urls = await Promise.all(catalogUrls.map((url) => resolveDemoUrl(url, context)));
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

/** Returns where the files of the demo are: on the embedded stack, or generated in this home. */
async function resolveDemoUrl(url: string, context: PreparationContext): Promise<string> {
  if (!url.startsWith('demo:')) return url;
  const base = context.demoUrl ?? `${pathToFileURL(await ensureMiniCoco(context)).href}/`;
  return new URL(url.slice('demo:'.length), base).href;
}
