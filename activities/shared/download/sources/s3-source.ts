import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { parseContentRange } from './content-range.ts';
import { validatorOf } from './file-version.ts';
import { toDownloadError } from './s3-errors.ts';
import { objectKey } from './s3-inspect.ts';
import { TransientError, RangesUnusable } from './source-errors.ts';
import type { SourceResponse, RangeRequest, Source } from './source.ts';

/** `s3://bucket/key`, by a client that the operator has set up: its server, its credentials. */
export const openS3Source = (url: URL, client: S3Client): Source => {
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  const open = async (request: RangeRequest): Promise<SourceResponse> => {
    const output = await getObject(url, client, request).catch((error: unknown) => {
      request.signal.throwIfAborted();
      throw toDownloadError(error, shown, request.known !== null);
    });
    return parseResponse(output, request, shown);
  };
  return { displayUrl: shown, open, verifyUnchanged: () => Promise.resolve(), close: () => undefined };
};

const getObject = async (url: URL, client: S3Client, request: RangeRequest): Promise<GetObjectCommandOutput> => {
  // Loaded only where it is used: it takes longer than a small download.
  const { GetObjectCommand } = await import('@aws-sdk/client-s3');
  const { first, last, whole, known, signal } = request;
  const ifMatch = known === null ? null : validatorOf({ ...known, lastModified: null });
  const command = new GetObjectCommand({
    Bucket: url.host,
    Key: objectKey(url),
    ...(!whole && { Range: `bytes=${first}-${last ?? ''}` }),
    ...(ifMatch !== null && { IfMatch: ifMatch }),
  });
  return client.send(command, { abortSignal: signal });
};

const parseResponse = (output: GetObjectCommandOutput, request: RangeRequest, shown: string): SourceResponse => {
  // In Node the SDK hands out the response itself, or a stream that checks it; its type knows browsers, too.
  const body = output.Body as Readable | undefined;
  if (body === undefined) throw new TransientError(`${shown} answered without a body.`);
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
