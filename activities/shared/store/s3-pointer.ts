import { createHash } from 'node:crypto';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { CodedError } from '../errors/coded-error.ts';
import type { Pointer } from './artifact-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { classify, toStoreError } from './s3-errors.ts';

/** Reads a pointer; undefined when it does not exist. */
export async function readS3Pointer(
  bucket: S3Bucket,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Pointer | undefined> {
  const operation = `Reading ${bucket.uri(key)}`;
  try {
    return await bucket.withRetry(operation, signal, async () => {
      const command = new GetObjectCommand({ Bucket: bucket.name, Key: key });
      const { Body, ETag = '' } = await bucket.client.send(command, { abortSignal: signal });
      return { body: (await Body?.transformToString()) ?? '', etag: ETag };
    });
  } catch (error) {
    if (classify(error) === 'not-found') return undefined;
    throw toStoreError(operation, error);
  }
}

/**
 * Replaces a pointer with a conditional PUT.
 * @throws CodedError StoreConflict when another writer was first.
 */
export async function replaceS3Pointer(
  bucket: S3Bucket,
  key: string,
  body: string,
  { ifMatch, signal }: { ifMatch: string | null; signal?: AbortSignal },
): Promise<string> {
  const operation = `Replacing ${bucket.uri(key)}`;
  const condition = ifMatch === null ? { IfNoneMatch: '*' } : { IfMatch: ifMatch };
  const command = new PutObjectCommand({
    Bucket: bucket.name,
    Key: key,
    Body: body,
    ContentType: 'application/json',
    ContentMD5: createHash('md5').update(body).digest('base64'),
    ...condition,
  });
  const lastAttempt = { wasAmbiguous: false };
  try {
    const { ETag = '' } = await bucket.withRetry(operation, signal, ({ wasAmbiguous }) => {
      lastAttempt.wasAmbiguous = wasAmbiguous;
      return bucket.client.send(command, { abortSignal: signal });
    });
    return ETag;
  } catch (error) {
    signal?.throwIfAborted();
    const problem = error instanceof CodedError ? 'transient' : classify(error);
    // An earlier attempt may have succeeded although its response was lost. Then the pointer holds our body.
    const current =
      lastAttempt.wasAmbiguous || problem === 'transient' ? await readS3Pointer(bucket, key, signal) : undefined;
    if (current?.body === body) return current.etag;
    if (problem === 'precondition-failed' || problem === 'not-found') {
      throw new CodedError(
        'StoreConflict',
        `${bucket.uri(key)} no longer matches ${ifMatch ?? 'an absent object'}: another writer replaced it.`,
      );
    }
    throw toStoreError(operation, error);
  }
}
