import { GetObjectCommand } from '@aws-sdk/client-s3';
import { CodedError } from '../errors/coded-error.ts';
import type { StoredFile, TransferOptions } from './artifact-store.ts';
import { IncomingFile } from './incoming-file.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { classify, toStoreError } from './s3-errors.ts';

/** Version of the object in the first response. Later responses must match it. */
interface Version {
  readonly etag: string;
  readonly bytes: number;
  readonly sha256: string | undefined;
}

/** Downloads an object to a file. Resumes when a body is cut off. */
export async function getObject(
  bucket: S3Bucket,
  key: string,
  path: string,
  { sha256: requested, signal, onBytes }: TransferOptions,
): Promise<StoredFile> {
  const operation = `Fetching ${bucket.uri(key)}`;
  const incoming = await IncomingFile.create(path);
  try {
    const version = await receive(bucket, key, incoming, { operation, signal, onBytes });
    const { bytes, sha256 } = incoming;
    const expected = requested ?? version.sha256;
    if (bytes !== version.bytes || sha256 !== expected || (version.sha256 ?? sha256) !== sha256) {
      const expectation = `${version.bytes} bytes with the sha256 ${expected ?? '(none recorded)'}`;
      throw new CodedError(
        'StoreDamaged',
        `Expected ${bucket.uri(key)} to have ${expectation}, got ${bytes} bytes with ${sha256}.`,
      );
    }
    await incoming.publish();
    return { uri: bucket.uri(key), bytes, sha256 };
  } catch (error) {
    await incoming.discard();
    signal?.throwIfAborted();
    if (classify(error) === 'not-found') throw new CodedError('StoreDamaged', `${bucket.uri(key)} does not exist.`);
    throw toStoreError(operation, error);
  }
}

interface ReceiveOptions extends Pick<TransferOptions, 'signal' | 'onBytes'> {
  readonly operation: string;
}

async function receive(
  bucket: S3Bucket,
  key: string,
  incoming: IncomingFile,
  { operation, signal, onBytes }: ReceiveOptions,
): Promise<Version> {
  let version: Version | undefined;
  for (;;) {
    const before = incoming.bytes;
    try {
      return await bucket.withRetry(operation, signal, async () => {
        const response = await openRemaining(bucket, key, version, incoming.bytes, signal);
        version ??= response.version;
        for await (const chunk of response.body) {
          await incoming.write(chunk);
          onBytes?.(chunk.length);
        }
        if (incoming.bytes < version.bytes) throw new Error(`the body ended after ${incoming.bytes} bytes`);
        return version;
      });
    } catch (error) {
      // Continues as long as each round makes progress.
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
  // The first request asks for the complete object, later ones for the rest of the same version.
  const rest = known === undefined ? {} : { Range: `bytes=${offset}-`, IfMatch: known.etag };
  const command = new GetObjectCommand({ Bucket: bucket.name, Key: key, ...rest });
  const response = await bucket.client.send(command, { abortSignal: signal });
  if (known !== undefined && !response.ContentRange?.startsWith(`bytes ${offset}-`)) {
    throw new CodedError(
      'StoreUnavailable',
      `${bucket.uri(key)} cannot be resumed at byte ${offset}: the server ignored the range.`,
    );
  }
  const { ETag = '', ContentLength = 0, Metadata = {} } = response;
  // In Node, the body is a readable stream; the SDK's type also covers browsers.
  const body = response.Body as AsyncIterable<Uint8Array> | undefined;
  if (body === undefined) throw new Error('the response has no body');
  return { version: known ?? { etag: ETag, bytes: ContentLength, sha256: Metadata['sha256'] }, body };
}
