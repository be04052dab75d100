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
} from '../../../fixtures/download-place.ts';
import {
  answerStatus,
  hideSize,
  ignoreRange,
  lieBehindHalf,
  lieOnSize,
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
  tellTheTruth,
  type Answer,
} from '../../../fixtures/lying-server.ts';

/** Large enough for several ranges at once. */
const content = randomBytes(20 * 1024 * 1024);
const sha256 = sha256Of(content);
const bytes = content.length;
const patience = { stallMs: 300, retry: { maxAttempts: 3, initialDelayMs: 10 } };
const unknown = { bytes: null, sha256: null };
const unnamed = { etag: '', 'last-modified': '' };

const expectRight = async (): Promise<void> => {
  expect(sha256Of(readFileSync(target))).toBe(sha256);
  await expectOnlyTarget();
};

/** Tells the truth, of a file without ETag. */
const later = sendWith({ etag: '', 'last-modified': 'Fri, 02 Jan 2026 00:00:00 GMT' });

it('a large file comes by several connections, and each byte of it once', async () => {
  for (const known of [{ bytes, sha256 }, unknown]) {
    const server = await serveFile(content, tellTheTruth);
    await fetchFrom(server.url, known);
    await expectRight();
    expect(server.requests.length).toBeGreaterThan(4);
    const asked = server.requests.map(({ range }) => rangeOf({ headers: { range } }, bytes));
    expect(asked.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBe(bytes);
  }
});

describe('a fault in one of several ranges that passes', () => {
  it.each<[string, Answer]>([
    ['a body that ends too early, politely', lieBehindHalf(sendOnly(1000), 2)],
    ['a body that ends before it begins', lieBehindHalf(sendOnly(0), 1)],
    ['an empty answer', lieBehindHalf(answerStatus(500), 1)],
    ['a connection that is reset', lieBehindHalf(resetAfter(100_000), 3)],
    ['a connection that is reset at once', lieBehindHalf(resetAfter(0), 1)],
    ['a connection that goes silent', lieBehindHalf(stallAfter(1000), 1)],
    ['a request that nobody answers', lieBehindHalf(neverAnswer, 1)],
    ['a slow answer', lieBehindHalf(pauseAfter(1000, 200), 1)],
    ['503', lieBehindHalf(answerStatus(503), 2)],
    ['408', lieBehindHalf(answerStatus(408), 1)],
    ['429', lieBehindHalf(answerStatus(429), 1)],
    ['less than was asked for', lieBehindHalf(sendShorterRange)],
    ['a body longer than it is announced in its head', lieBehindHalf(sendTooMuch, 1)],
    ['a head that announces more than comes', lieBehindHalf(sendWith({ 'content-length': 10_000_000 }), 1)],
    ['the whole file, which nobody asked for', lieBehindHalf(ignoreRange, 1)],
    ['the whole file without its size', lieBehindHalf(hideSize, 1)],
    ['another range than was asked for', lieBehindHalf(sendOtherRange)],
    ['no Content-Range', lieBehindHalf(sendWith({ 'content-range': '' }))],
    ['nonsense as Content-Range', lieBehindHalf(sendWith({ 'content-range': 'bytes 1-0/x' }))],
    ['416', lieBehindHalf(answerStatus(416))],
    ['an ETag that changes once and for all', change(3, tellTheTruth, sendWith({ etag: '"v2"' }))],
  ])('ends with the right file: %s', async (_fault, answer) => {
    const server = await serveFile(content, answer);
    await fetchFrom(server.url, { bytes, sha256, ...patience });
    await expectRight();
  });
});

describe('a fault in one of several ranges that stays', () => {
  it.each<[string, Answer, ErrorCode]>([
    ['bodies that end before they begin', lieBehindHalf(sendOnly(0)), 'DownloadFailed'],
    ['connections that are reset at once', lieBehindHalf(resetAfter(0)), 'DownloadFailed'],
    ['connections that go silent', lieBehindHalf(stallAfter(0)), 'DownloadFailed'],
    ['requests that nobody answers', lieBehindHalf(neverAnswer), 'DownloadFailed'],
    ['503', lieBehindHalf(answerStatus(503)), 'DownloadFailed'],
    ['an empty file', lieBehindHalf(sendNothing), 'ChecksumMismatch'],
    ['wrong bytes', lieBehindHalf(sendWrongBytes), 'ChecksumMismatch'],
    ['another size', lieBehindHalf(lieOnSize), 'ChecksumMismatch'],
    ['another ETag', lieBehindHalf(sendWith({ etag: '"v2"' })), 'SourceChanged'],
    ['409', lieBehindHalf(answerStatus(409)), 'DownloadRefused'],
    ['404', lieBehindHalf(answerStatus(404)), 'DownloadRefused'],
    ['304', lieBehindHalf(answerStatus(304)), 'DownloadRefused'],
    ['a web page', lieBehindHalf(sendWebPage), 'DownloadRefused'],
    ['an encoded body', lieBehindHalf(sendWith({ 'content-encoding': 'gzip' })), 'DownloadRefused'],
    ['a redirect in circles', lieBehindHalf(redirectTo('/file.bin')), 'DownloadRefused'],
    ['a redirect to a file', lieBehindHalf(redirectTo('file:///etc/passwd')), 'DownloadRefused'],
    ['a redirect to a private address', lieBehindHalf(redirectTo('http://169.254.169.254/')), 'DownloadRefused'],
  ])('ends with an error and no file, or with the next mirror: %s', async (_fault, answer, code) => {
    const server = await serveFile(content, answer);
    const mirror = await serveFile(content, tellTheTruth);
    const failure = await failureOf(fetchFrom(server.url, { bytes, sha256, ...patience }));
    expect(failure.code, failure.message).toBe(code);
    expect(existsSync(target)).toBe(false);
    const { notes } = await fetchFrom([server.url, mirror.url], { bytes, sha256, ...patience });
    expect(notes.join()).toContain(`Went on to ${mirror.url}`);
    await expectRight();
  });
});

describe('without a known hash', () => {
  it.each<[string, Answer, ErrorCode]>([
    ['another size in one range', lieBehindHalf(lieOnSize), 'SourceChanged'],
    ['another ETag in one range', lieBehindHalf(sendWith({ etag: '"v2"' })), 'SourceChanged'],
    ['another Last-Modified in one range', changeBehindHalf(sendWith({ etag: '' }), later), 'SourceChanged'],
    ['no version at all in one range', lieBehindHalf(sendWith(unnamed)), 'SourceChanged'],
    ['an encoded body', lieBehindHalf(sendWith({ 'content-encoding': 'br' })), 'DownloadRefused'],
  ])('nothing is taken for a whole: %s', async (_lie, answer, code) => {
    const server = await serveFile(content, answer);
    const failure = await failureOf(fetchFrom(server.url, { ...unknown, ...patience }));
    expect(failure.code, failure.message).toBe(code);
    expect(existsSync(target)).toBe(false);
  });

  it('a file whose versions have no name comes in one piece', async () => {
    const server = await serveFile(content, sendWith(unnamed));
    await fetchFrom(server.url, { ...unknown, ...patience });
    await expectRight();
    expect(server.requests.at(-1)?.range).toBeUndefined();
  });
});

it('wrong bytes of a mirror that then breaks off cost the next one a second try, not the file', async () => {
  const server = await serveFile(content, lieBehindHalf(change(1, sendWrongBytesThenReset(100_000), resetAfter(0))));
  const mirror = await serveFile(content, tellTheTruth);
  const { notes } = await fetchFrom([server.url, mirror.url], { bytes, sha256, ...patience });
  expect(notes.join()).toContain('begun anew');
  await expectRight();
});

/** The first answer so many times, then the other one for good. */
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
