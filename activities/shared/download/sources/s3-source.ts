import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { parseContentRange } from './content-range.ts';
import { validatorOf } from './file-version.ts';
import { toDownloadError } from './s3-errors.ts';
import { objectKey } from './s3-inspect.ts';
import { TransientError, RangesUnusable } from './source-errors.ts';
import type { SourceResponse, RangeRequest, Source } from './source.ts';

/** Opens an S3 object as a source. The client determines server and credentials. */
export const openS3Source = (url: URL, client: S3Client): Source => {
  const displayUrl = `${url.protocol}//${url.host}${url.pathname}`;
  const open = async (request: RangeRequest): Promise<SourceResponse> => {
    const output = await getObject(url, client, request).catch((error: unknown) => {
      request.signal.throwIfAborted();
      throw toDownloadError(error, displayUrl, request.known !== null);
    });
    return parseResponse(output, request, displayUrl);
  };
  return { displayUrl, open, verifyUnchanged: () => Promise.resolve(), close: () => undefined };
};

const getObject = async (url: URL, client: S3Client, request: RangeRequest): Promise<GetObjectCommandOutput> => {
  // Loaded on demand, because the import takes longer than a small download.
  const { GetObjectCommand } = await import('@aws-sdk/client-s3');
  const { first, last, withoutRange, known, signal } = request;
  const ifMatch = known === null ? null : validatorOf({ ...known, lastModified: null });
  const command = new GetObjectCommand({
    Bucket: url.host,
    Key: objectKey(url),
    ...(!withoutRange && { Range: `bytes=${first}-${last ?? ''}` }),
    ...(ifMatch !== null && { IfMatch: ifMatch }),
  });
  return client.send(command, { abortSignal: signal });
};

const parseResponse = (output: GetObjectCommandOutput, request: RangeRequest, displayUrl: string): SourceResponse => {
  // In Node, the body is a readable stream; the SDK's type also covers browsers.
  const body = output.Body as Readable | undefined;
  if (body === undefined) throw new TransientError(`${displayUrl} sent no body.`);
  const { ETag, LastModified, ContentLength, ContentRange } = output;
  const version = { etag: ETag ?? null, lastModified: LastModified?.toUTCString() ?? null };
  if (request.withoutRange || ContentRange === undefined) {
    const bytes = ContentLength ?? null;
    return { ranged: false, first: 0, last: bytes === null ? null : bytes - 1, version: { ...version, bytes }, body };
  }
  const range = parseContentRange(ContentRange, request);
  if (range === null) {
    body.destroy();
    throw new RangesUnusable(
      `${displayUrl} sent the Content-Range "${ContentRange}" in response to a range that starts at byte ${request.first}.`,
    );
  }
  const { last, bytes } = range;
  return { ranged: true, first: request.first, last, version: { ...version, bytes }, body };
};
