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
  expectComplete,
  expectEmptyFolder,
  downloadHalf,
} from '../../../fixtures/download-fixture.ts';
import {
  answerStatus,
  ignoreRange,
  redirectTo,
  resetWith,
  sendTooMuch,
  sendWebPage,
  sendWith,
  sendWrongBytes,
  answerCorrectly,
  hideSize,
} from '../../../fixtures/faulty-server.ts';

describe('downloadFile from a server with wrong content', () => {
  it('throws ChecksumMismatch and deletes the bytes when the hash differs', async () => {
    const server = await serve(sendWrongBytes);
    const failure = await failureOf(fetchFrom(server.url));
    expect(failure.code).toBe('ChecksumMismatch');
    expect(failure.message).toContain(
      `Expected ${server.url} to have the sha256 ${sha256}, got ${sha256Of(Buffer.alloc(bytes))}`,
    );
    await expectEmptyFolder();
  });

  it('throws ChecksumMismatch and keeps the part when the announced size differs', async () => {
    const server = await downloadHalf({}, sendWith({ 'content-range': `bytes ${half}-${bytes - 1}/${bytes + 1}` }));
    const failure = await failureOf(fetchFrom(server.url));
    expect(failure.code).toBe('ChecksumMismatch');
    expect(failure.message).toContain(`to have ${bytes} bytes, got ${bytes + 1}`);
    expect(partBytes()).toBe(half);
  });

  it.each([sha256, null])('throws ChecksumMismatch when the body is too long (sha256 %s)', async (known) => {
    const server = await serve(sendTooMuch);
    expect(await failureOf(fetchFrom(server.url, { sha256: known }))).toHaveProperty('code', 'ChecksumMismatch');
    await expectEmptyFolder();
  });

  it.each([
    ['without a length', hideSize],
    ['in a range of unknown total size', sendWith({ 'content-range': `bytes 0-${bytes - 1}/*` })],
  ])('rejects a file %s when no hash is known', async (_label, answer) => {
    const server = await serve(answer);
    const failure = await failureOf(fetchFrom(server.url, { bytes: null, sha256: null }));
    expectFailure(failure, 'DownloadRefused', 'cannot be verified');
  });

  it.each([
    ['a web page', sendWebPage, 'sent a web page'],
    ['an encoded body', sendWith({ 'content-encoding': 'gzip' }), 'content encoding gzip'],
  ])('rejects %s', async (_label, answer, message) => {
    const server = await serve(answer);
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', message);
  });
});

describe('downloadFile from a server with wrong ranges', () => {
  it('restarts at byte 0 when the server sends the complete file', async () => {
    const server = await downloadHalf({}, ignoreRange);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 0);
    expect(server.requests).toHaveLength(2);
    expectComplete();
  });

  it.each([
    ['a different range', sendWith({ 'content-range': `bytes 0-${bytes - 1}/${bytes}` })],
    ['no Content-Range', sendWith({ 'content-range': '' })],
    ['status 416', answerStatus(416)],
  ])('requests the complete file after %s', async (_label, answer) => {
    const server = await downloadHalf({}, answer, answerCorrectly);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 0);
    expect(server.requests.map(({ range }) => range)).toEqual([undefined, rest, undefined]);
    expectComplete();
  });

  it('rejects a range that was not requested', async () => {
    const server = await serve(answerStatus(206));
    expect(await failureOf(fetchFrom(server.url))).toHaveProperty('code', 'DownloadRefused');
  });
});

describe('downloadFile of a changing file', () => {
  const v2 = sendWith({ etag: '"v2"' });
  const v3 = sendWith({ etag: '"v3"' });

  it('restarts when the ETag changed', async () => {
    const server = await downloadHalf({}, v2, v2);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 0);
    expect(server.requests).toHaveLength(3);
    expectComplete();
  });

  it('restarts when Last-Modified changed and there is no ETag', async () => {
    const server = await serve(resetWith(half, { etag: '' }), sendWith({ etag: '', 'last-modified': 'later' }));
    await failureOf(fetchFrom(server.url));
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 0);
    expect(server.requests[1]?.ifRange).toBe('Thu, 01 Jan 2026 00:00:00 GMT');
    expectComplete();
  });

  it('restarts when the size changed under the same ETag', async () => {
    const server = await serve(
      resetWith(half, { 'content-range': `bytes 0-${bytes - 1}/${bytes + 1}` }),
      answerCorrectly,
    );
    await failureOf(fetchFrom(server.url, { bytes: null }));
    expect(await fetchFrom(server.url, { bytes: null })).toHaveProperty('resumedFromBytes', 0);
    expectComplete();
  });

  it('restarts when neither a hash nor a validator is known', async () => {
    const unnamed = { etag: '', 'last-modified': '' };
    const server = await serve(resetWith(half, unnamed), sendWith(unnamed));
    await failureOf(fetchFrom(server.url, { sha256: null }));
    expect(await fetchFrom(server.url, { sha256: null })).toHaveProperty('resumedFromBytes', 0);
    expectComplete();
  });

  it('never sends a weak ETag in If-Range', async () => {
    const weak = { etag: 'W/"v1"' };
    const server = await serve(resetWith(half, weak), sendWith(weak));
    await failureOf(fetchFrom(server.url));
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', half);
    expect(server.requests[1]?.ifRange).toBe('Thu, 01 Jan 2026 00:00:00 GMT');
  });

  it('throws SourceChanged when the file changes twice', async () => {
    const server = await downloadHalf({}, v2, v3);
    const failure = await failureOf(fetchFrom(server.url));
    expect(failure.code).toBe('SourceChanged');
    expect(failure.message).toContain('"v1"');
    expect(failure.message).toContain('"v3"');
    await expectEmptyFolder();
  });
});

describe('downloadFile from a failing server', () => {
  it.each([500, 503, 408, 429])('throws DownloadFailed and keeps the part after status %i', async (status) => {
    const server = await downloadHalf({}, answerStatus(status));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadFailed', `responded with ${status}`);
    expect(partBytes()).toBe(half);
  });

  it.each([204, 304, 401, 403, 404, 410])('throws DownloadRefused after status %i', async (status) => {
    const server = await serve(answerStatus(status));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', `responded with ${status}`);
  });

  it('rejects more than three redirects', async () => {
    const server = await serve(redirectTo('/round'));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', 'more than 3 times');
    expect(server.requests).toHaveLength(4);
  });

  it.each([
    ['a file', 'file:///etc/passwd', 'is not an http or https URL'],
    ['a URL with credentials', 'http://user:secret@127.0.0.1/', 'contains credentials'],
    ['an empty location', '', 'not a valid URL'],
    ['an invalid URL', 'http://[', 'not a valid URL'],
  ])('does not follow a redirect to %s', async (_label, location, reason) => {
    const server = await serve(redirectTo(location));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', `${server.url} redirected to`);
    expect(failure.message).toContain(reason);
    expect(failure.message).not.toContain('secret');
  });

  it.each([
    ['demo:file.bin', 'is not an http, https, s3 or file URL'],
    ['file:///etc/passwd', 'is a local file, which the plan does not allow'],
    ['not a URL', 'is not a valid URL'],
    ['http://user:secret@127.0.0.1/', 'contains credentials'],
  ])('rejects the URL %s', async (url, reason) => {
    const failure = await failureOf(fetchFrom(url));
    expectFailure(failure, 'DownloadRefused', reason);
    expect(failure.message).not.toContain('secret');
  });

  it('reports the reason of a failed connection', async () => {
    const server = await serve(answerCorrectly);
    await server.close();
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadFailed', 'ECONNREFUSED');
  });

  it('omits the query of the URL, which may contain a signature', async () => {
    const server = await serve(answerStatus(404));
    const failure = await failureOf(fetchFrom(`${server.url}?token=secret`));
    expect(failure.message).toContain(server.url);
    expect(failure.message).not.toContain('secret');
  });
});
