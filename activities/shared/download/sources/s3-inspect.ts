import type { S3Client } from '@aws-sdk/client-s3';
import type { FileVersion } from './file-version.ts';
import { withResponseTimeout } from './s3-errors.ts';
import { redactUrl } from './redact-url.ts';
import { TransientError } from './source-errors.ts';

/** Metadata of an S3 object. */
export interface S3Object extends FileVersion {
  readonly key: string;
  readonly bytes: number;
}

/**
 * Lists all objects under a prefix, sorted by key.
 * @throws CodedError DownloadRefused, DownloadFailed.
 */
export async function listPrefix(client: S3Client, url: URL, signal: AbortSignal): Promise<S3Object[]> {
  const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
  const displayUrl = redactUrl(url.href);
  const objects: S3Object[] = [];
  let next: string | undefined;
  do {
    const command = new ListObjectsV2Command({ Bucket: url.host, Prefix: objectKey(url), ContinuationToken: next });
    const page = await withResponseTimeout(displayUrl, signal, (abortSignal) => client.send(command, { abortSignal }));
    for (const { Key = '', Size = 0, ETag, LastModified } of page.Contents ?? []) {
      objects.push({ key: Key, bytes: Size, etag: ETag ?? null, lastModified: LastModified?.toISOString() ?? null });
    }
    next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    // Treating a page without a continuation token as the last one would lose images.
    if (page.IsTruncated === true && next === undefined)
      throw new TransientError(`${displayUrl}: the listing is truncated without a continuation token.`);
  } while (next !== undefined);
  return objects;
}

/**
 * Reads the metadata of an object.
 * @throws CodedError DownloadRefused when the object is missing or access is denied; DownloadFailed.
 */
export async function inspectObject(client: S3Client, url: URL, signal: AbortSignal): Promise<S3Object> {
  const { HeadObjectCommand } = await import('@aws-sdk/client-s3');
  const command = new HeadObjectCommand({ Bucket: url.host, Key: objectKey(url) });
  const head = await withResponseTimeout(redactUrl(url.href), signal, (abortSignal) =>
    client.send(command, { abortSignal }),
  );
  const { ETag, LastModified, ContentLength = 0 } = head;
  const version = { etag: ETag ?? null, lastModified: LastModified?.toISOString() ?? null };
  return { key: objectKey(url), bytes: ContentLength, ...version };
}

/** Returns the key of an S3 URL. */
export const objectKey = (url: URL): string => decodeURIComponent(url.pathname.slice(1));
