import { createHash } from 'node:crypto';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { CodedError } from '../errors/coded-error.ts';
import type { Pointer } from './artifact-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { classify, toStoreError } from './s3-errors.ts';

export async function readS3Pointer(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Pointer | undefined> {
  const what = `Reading ${bucket.uri(key)}`;
  try {
    return await bucket.withRetry(what, signal, async () => {
      const command = new GetObjectCommand({ Bucket: bucket.name, Key: key });
      const { Body, ETag = '' } = await bucket.client.send(command, { abortSignal: signal });
      return { body: (await Body?.transformToString()) ?? '', etag: ETag };
    });
  } catch (error) {
    if (classify(error) === 'absent') return undefined;
    throw toStoreError(what, error);
  }
}

/** @throws CodedError StoreConflict */
export async function replaceS3Pointer(
  bucket: S3Bucket,
  key: string,
  body: string,
  { ifMatch, signal }: { ifMatch: string | null; signal?: AbortSignal },
): Promise<string> {
  const what = `Replacing ${bucket.uri(key)}`;
  const condition = ifMatch === null ? { IfNoneMatch: '*' } : { IfMatch: ifMatch };
  const command = new PutObjectCommand({
    Bucket: bucket.name,
    Key: key,
    Body: body,
    ContentType: 'application/json',
    ContentMD5: createHash('md5').update(body).digest('base64'),
    ...condition,
  });
  const earlier = { wasAmbiguous: false };
  try {
    const { ETag = '' } = await bucket.withRetry(what, signal, ({ wasAmbiguous }) => {
      earlier.wasAmbiguous = wasAmbiguous;
      return bucket.client.send(command, { abortSignal: signal });
    });
    return ETag;
  } catch (error) {
    signal?.throwIfAborted();
    const problem = error instanceof CodedError ? 'passing' : classify(error);
    // An earlier try may have been carried out and its answer lost: then what is there is what we wrote.
    const now = earlier.wasAmbiguous || problem === 'passing' ? await readS3Pointer(bucket, key, signal) : undefined;
    if (now?.body === body) return now.etag;
    if (problem === 'precondition' || problem === 'absent') {
      throw new CodedError('StoreConflict', `${bucket.uri(key)} is not at ${ifMatch ?? 'nothing'} any more.`);
    }
    throw toStoreError(what, error);
  }
}
