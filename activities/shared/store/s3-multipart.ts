import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
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
/** Limit of S3. */
const maxParts = 10_000;

/** Chooses the part size: the configured one, or more when the file would exceed S3's limit of parts. */
export const choosePartBytes = (bytes: number, { partBytes }: Pick<S3Bucket, 'partBytes'>): number =>
  Math.max(partBytes, Math.ceil(bytes / maxParts / mebibyte) * mebibyte);

interface LargeFile {
  readonly key: string;
  readonly path: string;
  readonly file: FileHandle;
  readonly bytes: number;
  readonly sha256: string;
  readonly signal: AbortSignal | undefined;
  readonly onBytes: ((bytes: number) => void) | undefined;
}

/** ETags of uploaded parts by part number. */
type SentParts = Map<number, string>;

/** Uploads a large file in parts. Skips parts that an earlier, killed call has uploaded. */
export async function putInParts(bucket: S3Bucket, states: UploadStates, put: LargeFile): Promise<void> {
  const { state, found } = await resumeOrCreate(bucket, states, put);
  const operation = `The upload of ${bucket.uri(put.key)}`;
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
    // Another process aborted the upload, or it expired: the next call starts a new one.
    if (classify(error) === 'no-such-upload') await states.delete(put.key);
    throw toStoreError(operation, error);
  }
}

async function resumeOrCreate(bucket: S3Bucket, states: UploadStates, { key, bytes, sha256, signal }: LargeFile) {
  const partBytes = choosePartBytes(bytes, bucket);
  const known = await states.find(key);
  if (known?.sha256 === sha256 && known.bytes === bytes && known.partBytes === partBytes) {
    const found = await listSentParts(bucket, key, known.uploadId, signal);
    if (found !== undefined) return { state: known, found };
  } else if (known !== undefined) await abortUpload(bucket, key, known.uploadId);

  const upload = { Bucket: bucket.name, Key: key, Metadata: { sha256 } };
  const { UploadId } = await bucket.request(`Starting the upload of ${bucket.uri(key)}`, signal, () =>
    bucket.client.send(new CreateMultipartUploadCommand(upload), { abortSignal: signal }),
  );
  const state: UploadState = { v: 1, uploadId: UploadId ?? '', bytes, sha256, partBytes };
  await states.save(key, state);
  return { state, found: new Map<number, string>() };
}

/** Lists uploaded parts; returns undefined when the upload no longer exists. */
async function listSentParts(
  bucket: S3Bucket,
  key: string,
  uploadId: string,
  signal: AbortSignal | undefined,
): Promise<SentParts | undefined> {
  const upload = { Bucket: bucket.name, Key: key, UploadId: uploadId };
  try {
    return await bucket.withRetry(`Listing parts of ${bucket.uri(key)}`, signal, async () => {
      const found: SentParts = new Map();
      // The paginator of the SDK never ends on AWS, which sends a marker with the last page too.
      let marker: string | undefined;
      do {
        const command = new ListPartsCommand({ ...upload, PartNumberMarker: marker });
        const page = await bucket.client.send(command, { abortSignal: signal });
        for (const { PartNumber, ETag } of page.Parts ?? []) found.set(PartNumber ?? 0, ETag ?? '');
        marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
      } while (marker !== undefined);
      return found;
    });
  } catch (error) {
    if (classify(error) === 'no-such-upload') return undefined;
    throw toStoreError(`Listing parts of ${bucket.uri(key)}`, error);
  }
}

/** Uploads all parts concurrently. Returns the sha256 of the file and the ETag of each part. */
async function sendParts(bucket: S3Bucket, uploadId: string, put: LargeFile, found: SentParts) {
  const partBytes = choosePartBytes(put.bytes, bucket);
  const reader = new PartReader(put.file, put.bytes, partBytes);
  const sent: SentParts = new Map();
  const sendPart = async ({ number, body }: Part, signal: AbortSignal): Promise<string> => {
    const md5 = createHash('md5').update(body).digest();
    const uploaded = found.get(number);
    // The ETag of a part is its MD5, except with KMS encryption. Then parts are uploaded again, which is slower but safe.
    if (uploaded?.replaceAll('"', '') === md5.toString('hex')) return uploaded;
    const command = new UploadPartCommand({
      Bucket: bucket.name,
      Key: put.key,
      UploadId: uploadId,
      PartNumber: number,
      Body: body,
      ContentLength: body.length,
      ContentMD5: md5.toString('base64'),
    });
    const operation = `Uploading part ${number} of ${bucket.uri(put.key)}`;
    const { ETag } = await bucket.withRetry(operation, signal, () =>
      bucket.client.send(command, { abortSignal: signal }),
    );
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

/** Completes an upload. If the response of an earlier attempt was lost, the upload is gone and the object is ours. */
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
    if (classify(error) !== 'no-such-upload') throw error;
    const facts = await headObject(bucket, key, signal);
    if (facts?.sha256 !== put.sha256 || facts.bytes !== put.bytes) throw error;
  }
}

/** Aborts an upload. Ignores one that no longer exists. */
export async function abortUpload(bucket: S3Bucket, key: string, uploadId: string): Promise<void> {
  const command = new AbortMultipartUploadCommand({ Bucket: bucket.name, Key: key, UploadId: uploadId });
  try {
    await bucket.withRetry(`Aborting an upload of ${bucket.uri(key)}`, undefined, () => bucket.client.send(command));
  } catch (error) {
    if (classify(error) === 'no-such-upload') return;
    throw toStoreError(`Aborting an upload of ${bucket.uri(key)}`, error);
  }
}
