import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { CodedError } from '../failures/coded-error.ts';
import { parseContentRange } from './content-range.ts';
import { validatorOf } from './file-version.ts';
import { PassingFault, RangesUnusable, VersionChanged } from './source-fault.ts';
import type { Answer, Request, Source } from './source.ts';

/** `s3://bucket/key`, by a client that the operator has set up: its server, its credentials. */
export const openS3Source = (url: URL, client: S3Client): Source => {
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  const open = async (request: Request): Promise<Answer> => {
    const output = await getObject(url, client, request).catch((error: unknown) => {
      request.signal.throwIfAborted();
      throw nameFault(error, shown);
    });
    return readAnswer(output, request, shown);
  };
  return { shown, open, recheck: () => Promise.resolve(), close: () => undefined };
};

const getObject = async (url: URL, client: S3Client, request: Request): Promise<GetObjectCommandOutput> => {
  // Loaded only where it is used: it takes longer than a small download.
  const { GetObjectCommand } = await import('@aws-sdk/client-s3');
  const { first, last, whole, known, signal } = request;
  const ifMatch = known === null ? null : validatorOf({ ...known, lastModified: null });
  const command = new GetObjectCommand({
    Bucket: url.host,
    Key: decodeURIComponent(url.pathname.slice(1)),
    ...(!whole && { Range: `bytes=${first}-${last ?? ''}` }),
    ...(ifMatch !== null && { IfMatch: ifMatch }),
  });
  return client.send(command, { abortSignal: signal });
};

const readAnswer = (output: GetObjectCommandOutput, request: Request, shown: string): Answer => {
  // In Node the SDK hands out the response itself, or a stream that checks it; its type knows browsers, too.
  const body = output.Body as Readable | undefined;
  if (body === undefined) throw new PassingFault(`${shown} answered without a body.`);
  const { ETag, LastModified, ContentLength, ContentRange } = output;
  const version = { etag: ETag ?? null, lastModified: LastModified?.toUTCString() ?? null };
  if (request.whole || ContentRange === undefined) {
    const bytes = ContentLength ?? null;
    return { ranged: false, first: 0, last: bytes === null ? null : bytes - 1, version: { ...version, bytes }, body };
  }
  const range = parseContentRange(ContentRange, request);
  if (range === null) {
    body.destroy();
    throw new RangesUnusable(`${shown} answered "${ContentRange}" to a range from byte ${request.first}.`);
  }
  const { last, bytes } = range;
  return { ranged: true, first: request.first, last, version: { ...version, bytes }, body };
};

const nameFault = (error: unknown, shown: string): CodedError => {
  const status = statusOf(error);
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const text = `${shown} answered ${status ?? 'nothing'} (${message}).`;
  if (status === 412) return new VersionChanged(text, null);
  if (status === 416) return new RangesUnusable(text);
  const refused = status !== null && status >= 300 && status < 500 && status !== 408 && status !== 429;
  // Without an answer: no network, or no credentials, which no try mends.
  const noCredentials = status === null && error instanceof Error && error.name === 'CredentialsProviderError';
  if (refused || noCredentials) return new CodedError('DownloadRefused', text, { cause: error });
  return new PassingFault(text, { cause: error });
};

const statusOf = (error: unknown): number | null => {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return null;
  const { $metadata: metadata } = error;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return null;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : null;
};
