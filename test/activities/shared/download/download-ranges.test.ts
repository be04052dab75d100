import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../../configs/errors.ts';
import {
  expectOnlyTarget,
  failureOf,
  fetchFrom,
  serveFile,
  sha256Of,
  target,
} from '../../../fixtures/download-fixture.ts';
import {
  answerStatus,
  hideSize,
  ignoreRange,
  failPastHalf,
  misstateSize,
  neverAnswer,
  pauseAfter,
  rangeOf,
  redirectTo,
  resetAfter,
  sendNothing,
  sendOnly,
  sendOtherRange,
  sendShorterRange,
  sendTooMuch,
  sendWebPage,
  sendWith,
  sendWrongBytes,
  sendWrongBytesThenReset,
  stallAfter,
  answerCorrectly,
  type Answer,
} from '../../../fixtures/faulty-server.ts';

/** Large enough for several concurrent ranges. */
const content = randomBytes(20 * 1024 * 1024);
const sha256 = sha256Of(content);
const bytes = content.length;
const shortTimeouts = { stallMs: 300, retry: { maxAttempts: 3, initialDelayMs: 10 } };
const unknown = { bytes: null, sha256: null };
const unnamed = { etag: '', 'last-modified': '' };

const expectContent = async (): Promise<void> => {
  expect(sha256Of(readFileSync(target))).toBe(sha256);
  await expectOnlyTarget();
};

/** Serves the file with a later Last-Modified and no ETag. */
const later = sendWith({ etag: '', 'last-modified': 'Fri, 02 Jan 2026 00:00:00 GMT' });

it('downloadFile fetches a large file over several connections, each byte once', async () => {
  for (const known of [{ bytes, sha256 }, unknown]) {
    const server = await serveFile(content, answerCorrectly);
    await fetchFrom(server.url, known);
    await expectContent();
    expect(server.requests.length).toBeGreaterThan(4);
    const ranges = server.requests.map(({ range }) => rangeOf({ headers: { range } }, bytes));
    expect(ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBe(bytes);
  }
});

describe('a transient error of one range', () => {
  it.each<[string, Answer]>([
    ['a short body with a clean end', failPastHalf(sendOnly(1000), 2)],
    ['an empty body', failPastHalf(sendOnly(0), 1)],
    ['a response without a body', failPastHalf(answerStatus(500), 1)],
    ['a connection that is reset', failPastHalf(resetAfter(100_000), 3)],
    ['a connection that is reset at once', failPastHalf(resetAfter(0), 1)],
    ['a connection that stalls', failPastHalf(stallAfter(1000), 1)],
    ['a request without a response', failPastHalf(neverAnswer, 1)],
    ['a slow response', failPastHalf(pauseAfter(1000, 200), 1)],
    ['503', failPastHalf(answerStatus(503), 2)],
    ['408', failPastHalf(answerStatus(408), 1)],
    ['429', failPastHalf(answerStatus(429), 1)],
    ['a shorter range than requested', failPastHalf(sendShorterRange)],
    ['a body longer than its Content-Length', failPastHalf(sendTooMuch, 1)],
    ['a Content-Length larger than the body', failPastHalf(sendWith({ 'content-length': 10_000_000 }), 1)],
    ['the complete file instead of a range', failPastHalf(ignoreRange, 1)],
    ['the complete file without its size', failPastHalf(hideSize, 1)],
    ['another range than requested', failPastHalf(sendOtherRange)],
    ['no Content-Range', failPastHalf(sendWith({ 'content-range': '' }))],
    ['an invalid Content-Range', failPastHalf(sendWith({ 'content-range': 'bytes 1-0/x' }))],
    ['416', failPastHalf(answerStatus(416))],
    ['an ETag that changes once', change(3, answerCorrectly, sendWith({ etag: '"v2"' }))],
  ])('does not prevent the download: %s', async (_label, answer) => {
    const server = await serveFile(content, answer);
    await fetchFrom(server.url, { bytes, sha256, ...shortTimeouts });
    await expectContent();
  });
});

describe('a permanent error of one range', () => {
  it.each<[string, Answer, ErrorCode]>([
    ['empty bodies', failPastHalf(sendOnly(0)), 'DownloadFailed'],
    ['connections that are reset at once', failPastHalf(resetAfter(0)), 'DownloadFailed'],
    ['connections that stall', failPastHalf(stallAfter(0)), 'DownloadFailed'],
    ['requests without a response', failPastHalf(neverAnswer), 'DownloadFailed'],
    ['503', failPastHalf(answerStatus(503)), 'DownloadFailed'],
    ['an empty file', failPastHalf(sendNothing), 'ChecksumMismatch'],
    ['wrong bytes', failPastHalf(sendWrongBytes), 'ChecksumMismatch'],
    ['another size', failPastHalf(misstateSize), 'ChecksumMismatch'],
    ['another ETag', failPastHalf(sendWith({ etag: '"v2"' })), 'SourceChanged'],
    ['409', failPastHalf(answerStatus(409)), 'DownloadRefused'],
    ['404', failPastHalf(answerStatus(404)), 'DownloadRefused'],
    ['304', failPastHalf(answerStatus(304)), 'DownloadRefused'],
    ['a web page', failPastHalf(sendWebPage), 'DownloadRefused'],
    ['an encoded body', failPastHalf(sendWith({ 'content-encoding': 'gzip' })), 'DownloadRefused'],
    ['a redirect loop', failPastHalf(redirectTo('/file.bin')), 'DownloadRefused'],
    ['a redirect to a file', failPastHalf(redirectTo('file:///etc/passwd')), 'DownloadRefused'],
    ['a redirect to a private address', failPastHalf(redirectTo('http://169.254.169.254/')), 'DownloadRefused'],
  ])('fails without a file, or continues with the next mirror: %s', async (_label, answer, code) => {
    const server = await serveFile(content, answer);
    const mirror = await serveFile(content, answerCorrectly);
    const failure = await failureOf(fetchFrom(server.url, { bytes, sha256, ...shortTimeouts }));
    expect(failure.code, failure.message).toBe(code);
    expect(existsSync(target)).toBe(false);
    const { notes } = await fetchFrom([server.url, mirror.url], { bytes, sha256, ...shortTimeouts });
    expect(notes.join()).toContain(`Trying the next mirror, ${mirror.url}`);
    await expectContent();
  });
});

describe('without a known hash', () => {
  it.each<[string, Answer, ErrorCode]>([
    ['another size in one range', failPastHalf(misstateSize), 'SourceChanged'],
    ['another ETag in one range', failPastHalf(sendWith({ etag: '"v2"' })), 'SourceChanged'],
    ['another Last-Modified in one range', changeBehindHalf(sendWith({ etag: '' }), later), 'SourceChanged'],
    ['no version at all in one range', failPastHalf(sendWith(unnamed)), 'SourceChanged'],
    ['an encoded body', failPastHalf(sendWith({ 'content-encoding': 'br' })), 'DownloadRefused'],
  ])('downloadFile fails instead of mixing versions: %s', async (_label, answer, code) => {
    const server = await serveFile(content, answer);
    const failure = await failureOf(fetchFrom(server.url, { ...unknown, ...shortTimeouts }));
    expect(failure.code, failure.message).toBe(code);
    expect(existsSync(target)).toBe(false);
  });

  it('downloadFile fetches a file without validators in one request', async () => {
    const server = await serveFile(content, sendWith(unnamed));
    await fetchFrom(server.url, { ...unknown, ...shortTimeouts });
    await expectContent();
    expect(server.requests.at(-1)?.range).toBeUndefined();
  });
});

it('downloadFile restarts the next mirror when the part contains wrong bytes', async () => {
  const server = await serveFile(content, failPastHalf(change(1, sendWrongBytesThenReset(100_000), resetAfter(0))));
  const mirror = await serveFile(content, answerCorrectly);
  const { notes } = await fetchFrom([server.url, mirror.url], { bytes, sha256, ...shortTimeouts });
  expect(notes.join()).toContain('starting again');
  await expectContent();
});

/** Answers `times` requests with `first`, and later ones with `then`. */
function change(times: number, first: Answer, then: Answer): Answer {
  let requests = 0;
  return (request, response, file) => ((requests += 1) <= times ? first : then)(request, response, file);
}

function changeBehindHalf(before: Answer, behind: Answer): Answer {
  return (request, response, file) => {
    const { first } = rangeOf(request, file.length);
    return (first > file.length / 2 ? behind : before)(request, response, file);
  };
}
