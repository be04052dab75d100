import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { CodedError } from '../errors/coded-error.ts';
import type { PutOptions, StoredFile } from './artifact-store.ts';
import { PartReader } from './part-reader.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { choosePartBytes, putInParts } from './s3-multipart.ts';
import type { UploadStates } from './upload-state.ts';

interface PutRequest extends PutOptions {
  /** Key in the bucket, including the prefix of the store. */
  readonly key: string;
  readonly path: string;
}

/** Uploads a small file in one request and a large one in parts. A growing file is uploaded up to its current size. */
export async function putFile(bucket: S3Bucket, states: UploadStates, put: PutRequest): Promise<StoredFile> {
  const file = await open(put.path, 'r');
  try {
    const { size: bytes } = await file.stat();
    const sha256 =
      bytes <= choosePartBytes(bytes, bucket)
        ? await putSingle(bucket, put, await readAll(file, bytes))
        : await putMultipart(bucket, states, put, file, bytes);
    return { uri: bucket.uri(put.key), bytes, sha256 };
  } finally {
    await file.close();
  }
}

async function readAll(file: FileHandle, bytes: number): Promise<Buffer> {
  return (await new PartReader(file, bytes, bytes).next(Buffer.allocUnsafeSlow(bytes)))?.body ?? Buffer.alloc(0);
}

async function putSingle(bucket: S3Bucket, put: PutRequest, body: Buffer): Promise<string> {
  const { key, path, signal, onBytes } = put;
  const sha256 = createHash('sha256').update(body).digest('hex');
  if ((put.sha256 ?? sha256) !== sha256) {
    throw new CodedError('StoreDamaged', `Expected ${path} to have the sha256 ${put.sha256 ?? ''}, got ${sha256}.`);
  }
  const command = new PutObjectCommand({
    Bucket: bucket.name,
    Key: key,
    Body: body,
    ContentLength: body.length,
    ContentMD5: createHash('md5').update(body).digest('base64'),
    Metadata: { sha256 },
  });
  await bucket.request(`Storing ${bucket.uri(key)}`, signal, () =>
    bucket.client.send(command, { abortSignal: signal }),
  );
  onBytes?.(body.length);
  return sha256;
}

async function putMultipart(
  bucket: S3Bucket,
  states: UploadStates,
  put: PutRequest,
  file: FileHandle,
  bytes: number,
): Promise<string> {
  // The first request contains the hash. If the caller does not know it, the file is read twice.
  const sha256 = put.sha256 ?? (await hashFirst(file, bytes, put.signal));
  const { key, path, signal, onBytes } = put;
  await putInParts(bucket, states, { key, path, file, bytes, sha256, signal, onBytes });
  return sha256;
}

const hashBlockBytes = 4 * 1024 * 1024;

async function hashFirst(file: FileHandle, bytes: number, signal: AbortSignal | undefined): Promise<string> {
  const reader = new PartReader(file, bytes, hashBlockBytes);
  const buffer = Buffer.allocUnsafeSlow(hashBlockBytes);
  while ((await reader.next(buffer)) !== undefined) signal?.throwIfAborted();
  return reader.sha256;
}
