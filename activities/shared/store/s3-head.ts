import { HeadObjectCommand } from '@aws-sdk/client-s3';
import type { ObjectFacts } from './artifact-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { classify, toStoreError } from './s3-errors.ts';

/** Reads size and sha256 of an object; undefined when it does not exist. */
export async function headObject(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal | undefined,
): Promise<ObjectFacts | undefined> {
  const operation = `Reading the metadata of ${bucket.uri(key)}`;
  try {
    const { ContentLength = 0, Metadata = {} } = await bucket.withRetry(operation, signal, () =>
      bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: key }), { abortSignal: signal }),
    );
    return { bytes: ContentLength, sha256: Metadata['sha256'] ?? null };
  } catch (error) {
    signal?.throwIfAborted();
    if (classify(error) === 'not-found') return undefined;
    throw toStoreError(operation, error);
  }
}
