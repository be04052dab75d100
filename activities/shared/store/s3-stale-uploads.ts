import { ListMultipartUploadsCommand, type ListMultipartUploadsCommandOutput } from '@aws-sdk/client-s3';
import type { S3Bucket } from './s3-bucket.ts';
import { abortUpload } from './s3-multipart.ts';
import type { UploadStates } from './upload-state.ts';

interface OpenUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly startedAt: Date | undefined;
}

interface StaleUploads {
  /** Prefix of their keys. */
  readonly under: string;
  readonly olderThanMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Aborts stale uploads, because S3 charges for their parts. Returns their number. */
export async function abortStaleUploads(
  bucket: S3Bucket,
  states: UploadStates,
  { under, olderThanMs, signal }: StaleUploads,
): Promise<number> {
  const before = Date.now() - olderThanMs;
  const operation = `Listing unfinished uploads of ${bucket.uri(under)}`;
  const open = await bucket.request(operation, signal, () => listUploads(bucket, under));
  const stale = open.filter(({ startedAt }) => startedAt === undefined || startedAt.getTime() <= before);
  for (const { key, uploadId } of stale) {
    signal?.throwIfAborted();
    await abortUpload(bucket, key, uploadId);
    await states.delete(key);
  }
  return stale.length;
}

async function listUploads(bucket: S3Bucket, under: string): Promise<OpenUpload[]> {
  const found: OpenUpload[] = [];
  let page: ListMultipartUploadsCommandOutput | undefined;
  do {
    const from = { KeyMarker: page?.NextKeyMarker, UploadIdMarker: page?.NextUploadIdMarker };
    page = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name, Prefix: under, ...from }));
    for (const { Key = '', UploadId = '', Initiated } of page.Uploads ?? []) {
      found.push({ key: Key, uploadId: UploadId, startedAt: Initiated });
    }
  } while (page.IsTruncated === true && page.NextKeyMarker !== undefined);
  return found;
}
