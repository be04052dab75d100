import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  paginateListParts,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { UploadState } from '../../../configs/schema/run-pointer.ts';
import { CodedError } from '../errors/coded-error.ts';
import { mapConcurrent } from '../download/map-concurrent.ts';
import { PartReader, type Part } from './part-reader.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { classify, toStoreError } from './s3-errors.ts';
import { headObject } from './s3-head.ts';
import type { UploadStates } from './upload-state.ts';

const mebibyte = 1024 * 1024;
/** Each concurrent part takes one buffer of memory. */
const concurrency = 4;
/** S3 allows 10,000 parts. */
const maxParts = 10_000;

export const choosePartBytes = (bytes: number, { partBytes }: Pick<S3Bucket, 'partBytes'>): number =>
  Math.max(partBytes, Math.ceil(bytes / maxParts / mebibyte) * mebibyte);

export interface LargeFile {
  readonly key: string;
  readonly path: string;
  readonly file: FileHandle;
  readonly bytes: number;
  readonly sha256: string;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: ((bytes: number) => void) | undefined;
}

/** ETags of the parts that a server has, by number. */
type SentParts = Map<number, string>;

/** Sends a large file in parts; what an earlier, killed call sent is not sent again. The object appears at the end. */
export async function putInParts(bucket: S3Bucket, states: UploadStates, put: LargeFile): Promise<void> {
  const { state, found } = await resumeOrCreate(bucket, states, put);
  const what = `The upload of ${bucket.uri(put.key)}`;
  try {
    const { sha256, sent } = await sendParts(bucket, state.uploadId, put, found);
    if (sha256 !== put.sha256) {
      await abortUpload(bucket, put.key, state.uploadId);
      await states.delete(put.key);
      throw new CodedError('StoreDamaged', `Expected ${put.path} to have the sha256 ${put.sha256}, got ${sha256}.`);
    }
    await complete(bucket, state.uploadId, put, sent);
    await states.delete(put.key);
  } catch (error) {
    put.signal?.throwIfAborted();
    // Somebody aborted it, or the server forgot it: the next call begins anew.
    if (classify(error) === 'upload-gone') await states.delete(put.key);
    throw toStoreError(what, error);
  }
}

async function resumeOrCreate(bucket: S3Bucket, states: UploadStates, { key, bytes, sha256, signal }: LargeFile) {
  const partBytes = choosePartBytes(bytes, bucket);
  const known = await states.find(key);
  if (known?.sha256 === sha256 && known.bytes === bytes && known.partBytes === partBytes) {
    const found = await listSentParts(bucket, key, known.uploadId, signal);
    if (found !== undefined) return { state: known, found };
  } else if (known !== undefined) await abortUpload(bucket, key, known.uploadId);

  const ours = { Bucket: bucket.name, Key: key, Metadata: { sha256 } };
  const { UploadId } = await bucket.request(`Beginning the upload of ${bucket.uri(key)}`, signal, () =>
    bucket.client.send(new CreateMultipartUploadCommand(ours), { abortSignal: signal }),
  );
  const state: UploadState = { v: 1, uploadId: UploadId ?? '', bytes, sha256, partBytes };
  await states.save(key, state);
  return { state, found: new Map<number, string>() };
}

/** Undefined when the server does not know the upload any more. */
async function listSentParts(
  bucket: S3Bucket,
  key: string,
  uploadId: string,
  signal: AbortSignal | undefined,
): Promise<SentParts | undefined> {
  const ours = { Bucket: bucket.name, Key: key, UploadId: uploadId };
  try {
    return await bucket.withRetry(`Looking for parts of ${bucket.uri(key)}`, signal, async () => {
      const found: SentParts = new Map();
      for await (const { Parts = [] } of paginateListParts({ client: bucket.client }, ours)) {
        for (const { PartNumber, ETag } of Parts) found.set(PartNumber ?? 0, ETag ?? '');
      }
      return found;
    });
  } catch (error) {
    if (classify(error) === 'upload-gone') return undefined;
    throw toStoreError(`Looking for parts of ${bucket.uri(key)}`, error);
  }
}

/** All parts, several at a time. @returns the sha256 of what was read, and every part's ETag. */
async function sendParts(bucket: S3Bucket, uploadId: string, put: LargeFile, found: SentParts) {
  const partBytes = choosePartBytes(put.bytes, bucket);
  const reader = new PartReader(put.file, put.bytes, partBytes);
  const sent: SentParts = new Map();
  const sendPart = async ({ number, body }: Part, signal: AbortSignal): Promise<string> => {
    const md5 = createHash('md5').update(body).digest();
    const old = found.get(number);
    // The ETag of a part is its md5. Where it is not (encryption by KMS), parts are sent again: slower, never wrong.
    if (old?.replaceAll('"', '') === md5.toString('hex')) return old;
    const command = new UploadPartCommand({
      Bucket: bucket.name,
      Key: put.key,
      UploadId: uploadId,
      PartNumber: number,
      Body: body,
      ContentLength: body.length,
      ContentMD5: md5.toString('base64'),
    });
    const what = `Sending part ${number} of ${bucket.uri(put.key)}`;
    const { ETag } = await bucket.withRetry(what, signal, () => bucket.client.send(command, { abortSignal: signal }));
    put.onBytes?.(body.length);
    return ETag ?? '';
  };
  const buffers = Array.from({ length: concurrency }, () => Buffer.allocUnsafeSlow(partBytes));
  await mapConcurrent(buffers, { concurrency, signal: put.signal ?? neverAborted() }, async (buffer, signal) => {
    for (let part = await reader.next(buffer); part !== undefined; part = await reader.next(buffer)) {
      sent.set(part.number, await sendPart(part, signal));
      signal.throwIfAborted();
    }
  });
  return { sha256: reader.sha256, sent };
}

const neverAborted = (): AbortSignal => new AbortController().signal;

/** The answer may be lost after the object was made: then the upload is gone and the object is ours. */
async function complete(bucket: S3Bucket, uploadId: string, put: LargeFile, sent: SentParts): Promise<void> {
  const { key, signal } = put;
  const Parts = [...sent].sort(([a], [b]) => a - b).map(([PartNumber, ETag]) => ({ PartNumber, ETag }));
  const command = new CompleteMultipartUploadCommand({
    Bucket: bucket.name,
    Key: key,
    UploadId: uploadId,
    MultipartUpload: { Parts },
  });
  try {
    await bucket.withRetry(`Completing ${bucket.uri(key)}`, signal, () =>
      bucket.client.send(command, { abortSignal: signal }),
    );
  } catch (error) {
    if (classify(error) !== 'upload-gone') throw error;
    const facts = await headObject(bucket, key, signal);
    if (facts?.sha256 !== put.sha256 || facts.bytes !== put.bytes) throw error;
  }
}

export async function abortUpload(bucket: S3Bucket, key: string, uploadId: string): Promise<void> {
  const command = new AbortMultipartUploadCommand({ Bucket: bucket.name, Key: key, UploadId: uploadId });
  try {
    await bucket.withRetry(`Giving up an upload of ${bucket.uri(key)}`, undefined, () => bucket.client.send(command));
  } catch (error) {
    if (classify(error) === 'upload-gone') return;
    throw toStoreError(`Giving up an upload of ${bucket.uri(key)}`, error);
  }
}
