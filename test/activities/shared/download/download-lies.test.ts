import { describe, expect, it } from 'vitest';
import {
  sha256Of,
  sha256,
  bytes,
  half,
  rest,
  serve,
  fetchFrom,
  failureOf,
  expectFailure,
  partBytes,
  expectWhole,
  expectNothing,
  beginHalf,
} from '../../../fixtures/download-place.ts';
import {
  answerStatus,
  ignoreRange,
  redirectTo,
  resetWith,
  sendTooMuch,
  sendWebPage,
  sendWith,
  sendWrongBytes,
  tellTheTruth,
  hideSize,
} from '../../../fixtures/lying-server.ts';

describe('a server that lies about the content', () => {
  it('is not believed when it sends wrong bytes, which are deleted', async () => {
    const server = await serve(sendWrongBytes);
    const failure = await failureOf(fetchFrom(server.url));
    expect(failure.code).toBe('ChecksumMismatch');
    expect(failure.message).toContain(
      `Expected ${server.url} to have the sha256 ${sha256}, got ${sha256Of(Buffer.alloc(bytes))}`,
    );
    await expectNothing();
  });

  it('is found out by the size it announces, before the part is touched', async () => {
    const server = await beginHalf({}, sendWith({ 'content-range': `bytes ${half}-${bytes - 1}/${bytes + 1}` }));
    const failure = await failureOf(fetchFrom(server.url));
    expect(failure.code).toBe('ChecksumMismatch');
    expect(failure.message).toContain(`to hold ${bytes} bytes, got ${bytes + 1}`);
    expect(partBytes()).toBe(half);
  });

  it.each([sha256, null])('is stopped when it sends more than the file has (sha256 %s)', async (known) => {
    const server = await serve(sendTooMuch);
    expect(await failureOf(fetchFrom(server.url, { sha256: known }))).toHaveProperty('code', 'ChecksumMismatch');
    await expectNothing();
  });

  it.each([
    ['without a length', hideSize],
    ['as a range of a file of unknown size', sendWith({ 'content-range': `bytes 0-${bytes - 1}/*` })],
  ])('is refused when it sends the file %s and no hash could show its end', async (_how, answer) => {
    const server = await serve(answer);
    const failure = await failureOf(fetchFrom(server.url, { bytes: null, sha256: null }));
    expectFailure(failure, 'DownloadRefused', 'cannot be checked');
  });

  it.each([
    ['a web page', sendWebPage, 'sent a web page'],
    ['an encoded body', sendWith({ 'content-encoding': 'gzip' }), 'encoded as gzip'],
  ])('is refused when it sends %s instead', async (_what, answer, message) => {
    const server = await serve(answer);
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', message);
  });
});

describe('a server that lies about ranges', () => {
  it('may answer a range with the whole file, which is taken from its first byte', async () => {
    const server = await beginHalf({}, ignoreRange);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 0);
    expect(server.requests).toHaveLength(2);
    expectWhole();
  });

  it.each([
    ['another range', sendWith({ 'content-range': `bytes 0-${bytes - 1}/${bytes}` })],
    ['no Content-Range', sendWith({ 'content-range': '' })],
    ['416', answerStatus(416)],
  ])('is asked for the whole file when it answers with %s', async (_what, answer) => {
    const server = await beginHalf({}, answer, tellTheTruth);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 0);
    expect(server.requests.map(({ range }) => range)).toEqual([undefined, rest, undefined]);
    expectWhole();
  });

  it('is refused when it answers with a range that nobody asked for', async () => {
    const server = await serve(answerStatus(206));
    expect(await failureOf(fetchFrom(server.url))).toHaveProperty('code', 'DownloadRefused');
  });
});

describe('a file that changes while it is fetched', () => {
  const v2 = sendWith({ etag: '"v2"' });
  const v3 = sendWith({ etag: '"v3"' });

  it('is fetched from zero when its ETag has changed', async () => {
    const server = await beginHalf({}, v2, v2);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 0);
    expect(server.requests).toHaveLength(3);
    expectWhole();
  });

  it('is fetched from zero when its Last-Modified has changed and it has no ETag', async () => {
    const server = await serve(resetWith(half, { etag: '' }), sendWith({ etag: '', 'last-modified': 'later' }));
    await failureOf(fetchFrom(server.url));
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 0);
    expect(server.requests[1]?.ifRange).toBe('Thu, 01 Jan 2026 00:00:00 GMT');
    expectWhole();
  });

  it('is fetched from zero when its size has changed under the same ETag', async () => {
    const server = await serve(resetWith(half, { 'content-range': `bytes 0-${bytes - 1}/${bytes + 1}` }), tellTheTruth);
    await failureOf(fetchFrom(server.url, { bytes: null }));
    expect(await fetchFrom(server.url, { bytes: null })).toHaveProperty('resumedFromBytes', 0);
    expectWhole();
  });

  it('is fetched from zero when neither a hash nor its server could tell', async () => {
    const unnamed = { etag: '', 'last-modified': '' };
    const server = await serve(resetWith(half, unnamed), sendWith(unnamed));
    await failureOf(fetchFrom(server.url, { sha256: null }));
    expect(await fetchFrom(server.url, { sha256: null })).toHaveProperty('resumedFromBytes', 0);
    expectWhole();
  });

  it('never sends a weak ETag as If-Range, where it is not allowed', async () => {
    const weak = { etag: 'W/"v1"' };
    const server = await serve(resetWith(half, weak), sendWith(weak));
    await failureOf(fetchFrom(server.url));
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', half);
    expect(server.requests[1]?.ifRange).toBe('Thu, 01 Jan 2026 00:00:00 GMT');
  });

  it('is given up for this time when it changes twice', async () => {
    const server = await beginHalf({}, v2, v3);
    const failure = await failureOf(fetchFrom(server.url));
    expect(failure.code).toBe('SourceChanged');
    expect(failure.message).toContain('"v1"');
    expect(failure.message).toContain('"v3"');
    await expectNothing();
  });
});

describe('a server that refuses', () => {
  it.each([500, 503, 408, 429])('with %i is asked again later, and the part is kept', async (status) => {
    const server = await beginHalf({}, answerStatus(status));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadFailed', `responded with ${status}`);
    expect(partBytes()).toBe(half);
  });

  it.each([204, 304, 401, 403, 404, 410])('with %i is not asked again', async (status) => {
    const server = await serve(answerStatus(status));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', `responded with ${status}`);
  });

  it('is left after three redirects', async () => {
    const server = await serve(redirectTo('/round'));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', 'more than 3 times');
    expect(server.requests).toHaveLength(4);
  });

  it.each([
    ['a file', 'file:///etc/passwd', 'no http or https address'],
    ['an address with credentials', 'http://user:secret@127.0.0.1/', 'carries credentials'],
    ['nowhere', '', 'no address'],
    ['nonsense', 'http://[', 'no address'],
  ])('is not followed to %s', async (_where, location, why) => {
    const server = await serve(redirectTo(location));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', `${server.url} redirected to`);
    expect(failure.message).toContain(why);
    expect(failure.message).not.toContain('secret');
  });

  it.each([
    ['demo:file.bin', 'is no http, https, s3 or file address'],
    ['file:///etc/passwd', 'is a file, which the plan does not allow'],
    ['not an address', 'is no address'],
    ['http://user:secret@127.0.0.1/', 'carries credentials'],
  ])('to be one: %s is no address to fetch from', async (url, why) => {
    const failure = await failureOf(fetchFrom(url));
    expectFailure(failure, 'DownloadRefused', why);
    expect(failure.message).not.toContain('secret');
  });

  it('or is not there at all is named with the reason', async () => {
    const server = await serve(tellTheTruth);
    await server.close();
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadFailed', 'ECONNREFUSED');
  });

  it('is named without the query of its address, which may hold a signature', async () => {
    const server = await serve(answerStatus(404));
    const failure = await failureOf(fetchFrom(`${server.url}?token=secret`));
    expect(failure.message).toContain(server.url);
    expect(failure.message).not.toContain('secret');
  });
});
