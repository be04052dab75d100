import { HeadObjectCommand } from '@aws-sdk/client-s3';
import type { ObjectFacts } from './artifact-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { classify, toStoreError } from './s3-errors.ts';

/** Undefined where there is no such object. */
export async function headObject(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal | undefined,
): Promise<ObjectFacts | undefined> {
  const what = `Asking for ${bucket.uri(key)}`;
  try {
    const { ContentLength = 0, Metadata = {} } = await bucket.withRetry(what, signal, () =>
      bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: key }), { abortSignal: signal }),
    );
    return { bytes: ContentLength, sha256: Metadata['sha256'] ?? null };
  } catch (error) {
    signal?.throwIfAborted();
    if (classify(error) === 'absent') return undefined;
    throw toStoreError(what, error);
  }
}
