import type { S3Client } from '@aws-sdk/client-s3';
import type { FileVersion } from './file-version.ts';
import { withResponseTimeout } from './s3-errors.ts';
import { redactUrl } from './redact-url.ts';
import { TransientError } from './source-errors.ts';

/** An object as its bucket describes it, without a byte of its content. */
export interface S3Object extends FileVersion {
  readonly key: string;
  readonly bytes: number;
}

/** Every object under a prefix, in the order of their keys. @throws CodedError DownloadRefused, DownloadFailed. */
export async function listPrefix(client: S3Client, url: URL, signal: AbortSignal): Promise<S3Object[]> {
  const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
  const shown = redactUrl(url.href);
  const seen: S3Object[] = [];
  let next: string | undefined;
  do {
    const command = new ListObjectsV2Command({ Bucket: url.host, Prefix: objectKey(url), ContinuationToken: next });
    const page = await withResponseTimeout(shown, signal, (abortSignal) => client.send(command, { abortSignal }));
    for (const { Key = '', Size = 0, ETag, LastModified } of page.Contents ?? []) {
      seen.push({ key: Key, bytes: Size, etag: ETag ?? null, lastModified: LastModified?.toISOString() ?? null });
    }
    next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    // Taken for the end, a page without the way to the next would make images disappear.
    if (page.IsTruncated === true && next === undefined) throw new TransientError(`${shown} broke off its listing.`);
  } while (next !== undefined);
  return seen;
}

/** @throws CodedError DownloadRefused where there is no such object, or no right to it; DownloadFailed. */
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

/** As the bucket knows it. */
export const objectKey = (url: URL): string => decodeURIComponent(url.pathname.slice(1));
