import { GetObjectCommand } from '@aws-sdk/client-s3';
import { CodedError } from '../errors/coded-error.ts';
import type { StoredFile, TransferOptions } from './artifact-store.ts';
import { IncomingFile } from './incoming-file.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { classify, toStoreError } from './s3-errors.ts';

/** What the first answer said of the object; the later ones must be of the very same. */
interface Version {
  readonly etag: string;
  readonly bytes: number;
  readonly sha256: string | undefined;
}

/** Fetches an object into a file. A body that is cut is gone on with where it broke off. */
export async function getObject(
  bucket: S3Bucket,
  key: string,
  path: string,
  { sha256: wanted, signal, onBytes }: TransferOptions,
): Promise<StoredFile> {
  const what = `Fetching ${bucket.uri(key)}`;
  const incoming = await IncomingFile.create(path);
  try {
    const version = await receive(bucket, key, incoming, { what, signal, onBytes });
    const { bytes, sha256 } = incoming;
    const expected = wanted ?? version.sha256;
    if (bytes !== version.bytes || sha256 !== expected || (version.sha256 ?? sha256) !== sha256) {
      const told = `${version.bytes} bytes with the sha256 ${expected ?? 'on record'}`;
      throw new CodedError('StoreDamaged', `Expected ${bucket.uri(key)} to be ${told}, got ${bytes} with ${sha256}.`);
    }
    await incoming.publish();
    return { uri: bucket.uri(key), bytes, sha256 };
  } catch (error) {
    await incoming.discard();
    signal?.throwIfAborted();
    if (classify(error) === 'absent') throw new CodedError('StoreDamaged', `There is no ${bucket.uri(key)}.`);
    throw toStoreError(what, error);
  }
}

interface ReceiveOptions extends Pick<TransferOptions, 'signal' | 'onBytes'> {
  readonly what: string;
}

async function receive(
  bucket: S3Bucket,
  key: string,
  incoming: IncomingFile,
  { what, signal, onBytes }: ReceiveOptions,
): Promise<Version> {
  let version: Version | undefined;
  for (;;) {
    const before = incoming.bytes;
    try {
      return await bucket.withRetry(what, signal, async () => {
        const answer = await openRemaining(bucket, key, version, incoming.bytes, signal);
        version ??= answer.version;
        for await (const chunk of answer.body) {
          await incoming.write(chunk);
          onBytes?.(chunk.length);
        }
        if (incoming.bytes < version.bytes) throw new Error(`the body ended after ${incoming.bytes} bytes`);
        return version;
      });
    } catch (error) {
      // As long as something arrives each time, it is worth going on.
      if (!(error instanceof CodedError) || error.code !== 'StoreUnavailable' || incoming.bytes === before) throw error;
    }
  }
}

async function openRemaining(
  bucket: S3Bucket,
  key: string,
  known: Version | undefined,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<{ version: Version; body: AsyncIterable<Uint8Array> }> {
  // Without a known version the whole object is asked for, and with one exactly the rest of that.
  const rest = known === undefined ? {} : { Range: `bytes=${offset}-`, IfMatch: known.etag };
  const command = new GetObjectCommand({ Bucket: bucket.name, Key: key, ...rest });
  const answer = await bucket.client.send(command, { abortSignal: signal });
  if (known !== undefined && !answer.ContentRange?.startsWith(`bytes ${offset}-`)) {
    throw new CodedError('StoreUnavailable', `${bucket.uri(key)} cannot be read from byte ${offset} on.`);
  }
  const { ETag = '', ContentLength = 0, Metadata = {} } = answer;
  // In Node the SDK answers with a readable stream; its type also covers browsers.
  const body = answer.Body as AsyncIterable<Uint8Array> | undefined;
  if (body === undefined) throw new Error('the answer has no body');
  return { version: known ?? { etag: ETag, bytes: ContentLength, sha256: Metadata['sha256'] }, body };
}
