import type { IncomingMessage } from 'node:http';
import { CodedError } from '../../errors/coded-error.ts';
import { parseContentRange } from './content-range.ts';
import { validatorOf } from './file-version.ts';
import { createHttpClient } from './http-client.ts';
import { TransientError, RangesUnusable } from './source-errors.ts';
import { redactUrl } from './redact-url.ts';
import type { SourcePolicy } from './source-policy.ts';
import type { SourceResponse, RangeRequest, Source } from './source.ts';

/** 4xx answers that pass by themselves: the request took too long, too many requests. */
const transientStatuses = new Set([408, 429]);

export const openHttpSource = (url: URL, policy: SourcePolicy): Source => {
  const shown = redactUrl(url.href);
  const client = createHttpClient(url, policy);
  const open = async (request: RangeRequest): Promise<SourceResponse> => {
    const response = await client.get(createHeaders(request), request.signal);
    try {
      requireStatus(shown, request, response);
      requireRawContent(shown, response);
      return parseResponse(shown, request, response);
    } catch (error) {
      response.destroy();
      throw error;
    }
  };
  return { displayUrl: shown, open, verifyUnchanged: () => Promise.resolve(), close: client.close };
};

/** `identity`: a body compressed on the way could neither be counted nor resumed. */
const createHeaders = ({ first, last, whole, known }: RangeRequest): Record<string, string> => {
  const validator = known === null ? null : validatorOf(known);
  return {
    'accept-encoding': 'identity',
    ...(!whole && { range: `bytes=${first}-${last ?? ''}` }),
    ...(!whole && validator !== null && { 'if-range': validator }),
  };
};

const requireStatus = (shown: string, request: RangeRequest, { statusCode = 0, headers }: IncomingMessage): void => {
  if (statusCode === 200 || (statusCode === 206 && !request.whole)) return;
  const message = `${shown} responded with ${statusCode}`;
  if (statusCode === 416 && !request.whole) {
    throw new RangesUnusable(`${message} to a range from byte ${request.first}.`);
  }
  if (statusCode >= 500 || transientStatuses.has(statusCode)) {
    throw new TransientError(`${message}.`, { retryAfterMs: parseRetryAfter(headers['retry-after']) });
  }
  throw new CodedError('DownloadRefused', `${message}.`);
};

const requireRawContent = (shown: string, { headers }: IncomingMessage): void => {
  const type = headers['content-type'] ?? '';
  if (/^text\/html\b/i.test(type)) {
    throw new CodedError('DownloadRefused', `${shown} sent a web page (${type}) instead of the file.`);
  }
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw new CodedError('DownloadRefused', `${shown} sent the file encoded as ${encoding}.`);
  }
};

const parseResponse = (shown: string, request: RangeRequest, response: IncomingMessage): SourceResponse => {
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
    throw new RangesUnusable(`${shown} answered "${got}" to a range from byte ${request.first}.`);
  }
  const { last, bytes } = range;
  return { ranged: true, first: request.first, last, version: { ...version, bytes }, body: response };
};

const parseCount = (text: string | undefined): number | null =>
  text !== undefined && /^\d+$/.test(text) ? Number(text) : null;

/** Seconds; a date is not worth the trouble. */
const parseRetryAfter = (text: string | undefined): number | null => {
  const seconds = parseCount(text);
  return seconds === null ? null : seconds * 1000;
};
