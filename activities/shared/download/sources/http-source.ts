import type { IncomingMessage } from 'node:http';
import { CodedError } from '../../errors/coded-error.ts';
import { parseContentRange } from './content-range.ts';
import { validatorOf } from './file-version.ts';
import { createHttpClient } from './http-client.ts';
import { TransientError, RangesUnusable } from './source-errors.ts';
import { redactUrl } from './redact-url.ts';
import type { SourcePolicy } from './source-policy.ts';
import type { SourceResponse, RangeRequest, Source } from './source.ts';

/** Transient 4xx status codes. */
const transientStatuses = new Set([408, 429]);

export const openHttpSource = (url: URL, policy: SourcePolicy): Source => {
  const displayUrl = redactUrl(url.href);
  const client = createHttpClient(url, policy);
  const open = async (request: RangeRequest): Promise<SourceResponse> => {
    const response = await client.get(createHeaders(request), request.signal);
    try {
      requireStatus(displayUrl, request, response);
      requireRawContent(displayUrl, response);
      return parseResponse(displayUrl, request, response);
    } catch (error) {
      response.destroy();
      throw error;
    }
  };
  return { displayUrl, open, verifyUnchanged: () => Promise.resolve(), close: client.close };
};

/** Creates the request headers. Requests `identity`, because a compressed body cannot be counted or resumed. */
const createHeaders = ({ first, last, withoutRange, known }: RangeRequest): Record<string, string> => {
  const validator = known === null ? null : validatorOf(known);
  return {
    'accept-encoding': 'identity',
    ...(!withoutRange && { range: `bytes=${first}-${last ?? ''}` }),
    ...(!withoutRange && validator !== null && { 'if-range': validator }),
  };
};

const requireStatus = (
  displayUrl: string,
  request: RangeRequest,
  { statusCode = 0, headers }: IncomingMessage,
): void => {
  if (statusCode === 200 || (statusCode === 206 && !request.withoutRange)) return;
  const message = `${displayUrl} responded with ${statusCode}`;
  if (statusCode === 416 && !request.withoutRange) {
    throw new RangesUnusable(`${message} to a range that starts at byte ${request.first}.`);
  }
  if (statusCode >= 500 || transientStatuses.has(statusCode)) {
    throw new TransientError(`${message}.`, { retryAfterMs: parseRetryAfter(headers['retry-after']) });
  }
  throw new CodedError('DownloadRefused', `${message}.`);
};

const requireRawContent = (displayUrl: string, { headers }: IncomingMessage): void => {
  const type = headers['content-type'] ?? '';
  if (/^text\/html\b/i.test(type)) {
    throw new CodedError('DownloadRefused', `${displayUrl} sent a web page (${type}) instead of the file.`);
  }
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw new CodedError('DownloadRefused', `${displayUrl} sent the file with the content encoding ${encoding}.`);
  }
};

const parseResponse = (displayUrl: string, request: RangeRequest, response: IncomingMessage): SourceResponse => {
  const { headers, statusCode } = response;
  const version = { etag: headers.etag ?? null, lastModified: headers['last-modified'] ?? null };
  if (statusCode === 200) {
    const bytes = parseCount(headers['content-length']);
    const last = bytes === null ? null : bytes - 1;
    return { ranged: false, first: 0, last, version: { ...version, bytes }, body: response };
  }
  const range = parseContentRange(headers['content-range'], request);
  if (range === null) {
    const got = headers['content-range'] ?? '';
    throw new RangesUnusable(
      `${displayUrl} sent the Content-Range "${got}" in response to a range that starts at byte ${request.first}.`,
    );
  }
  const { last, bytes } = range;
  return { ranged: true, first: request.first, last, version: { ...version, bytes }, body: response };
};

const parseCount = (text: string | undefined): number | null =>
  text !== undefined && /^\d+$/.test(text) ? Number(text) : null;

/** Parses Retry-After in seconds. Ignores dates. */
const parseRetryAfter = (text: string | undefined): number | null => {
  const seconds = parseCount(text);
  return seconds === null ? null : seconds * 1000;
};
