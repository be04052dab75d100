import { once } from 'node:events';
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ErrorCode } from '../../../../configs/errors.ts';
import { CodedError } from '../../../../activities/lib/coded-error.ts';
import { downloadFile } from '../../../../activities/lib/download/download-file.ts';
import type { Download, Downloaded, DownloadProgress } from '../../../../activities/lib/download/wanted-file.ts';
import { downloadContext } from '../../../fixtures/download-context.ts';
import {
  answerStatus,
  ignoreRange,
  neverAnswer,
  redirectTo,
  resetAfter,
  resetWith,
  sendNothing,
  sendOnly,
  sendTooMuch,
  sendWebPage,
  sendWith,
  sendWrongBytes,
  sendWrongBytesThenReset,
  stallAfter,
  startLyingServer,
  tellTheTruth,
  type Answer,
  type LyingServer,
} from '../../../fixtures/lying-server.ts';
import { canMountSmallDisk, runOnSmallDisk, startFetchChild } from '../../../fixtures/run-fetch-child.ts';

const content = randomBytes(300_000);
const sha256Of = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
const sha256 = sha256Of(content);
const bytes = content.length;
const half = bytes / 2;

let folder: string;
let target: string;
let servers: LyingServer[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'download-'));
  target = join(folder, 'file.bin');
  servers = [];
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await rm(folder, { recursive: true });
});

const serve = async (...answers: [Answer, ...Answer[]]): Promise<LyingServer> => {
  const server = await startLyingServer(content, ...answers);
  servers.push(server);
  return server;
};

const fetchFrom = (urls: string | string[], changes: Partial<Download> = {}): Promise<Downloaded> =>
  downloadFile({
    ...downloadContext([urls].flat()),
    urls: [urls].flat(),
    target,
    bytes,
    sha256,
    ...changes,
  });

const failureOf = async (work: Promise<unknown>): Promise<CodedError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CodedError)) throw new Error(`expected a CodedError, got ${String(error)}`);
  return error;
};

const expectFailure = (failure: CodedError, code: ErrorCode, why: string): void => {
  expect(failure.code).toBe(code);
  expect(failure.message).toContain(why);
};

/** What the state beside the part says of it, where there is one. */
const partBytes = (): number => {
  const [, ...spans] = readFileSync(`${target}.part.jsonl`, 'utf8').trimEnd().split('\n');
  return spans
    .map((span) => z.tuple([z.int(), z.int()]).parse(JSON.parse(span)))
    .reduce((sum, [from, to]) => sum + to - from, 0);
};
const rest = `bytes=${half}-${bytes - 1}`;
/** Says in the state of the part that these bytes are in it, whether they are or not. */
const claim = (from: number, to: number): void => appendFileSync(`${target}.part.jsonl`, `[${from},${to}]\n`);
const replaceByLink = (path: string): void => {
  renameSync(path, `${path}.elsewhere`);
  symlinkSync(`${path}.elsewhere`, path);
};
const expectWhole = (): void => expect(sha256Of(readFileSync(target))).toBe(sha256);
const expectOnlyTarget = async (): Promise<void> => expect(await readdir(folder)).toEqual(['file.bin']);
const expectNothing = async (): Promise<void> => expect(await readdir(folder)).toEqual([]);

/** Leaves half of the file from a server that then goes on with `answers`. */
const beginHalf = async (changes: Partial<Download>, ...answers: [Answer, ...Answer[]]): Promise<LyingServer> => {
  const server = await serve(resetAfter(half), ...answers);
  expect(await failureOf(fetchFrom(server.url, changes))).toHaveProperty('code', 'DownloadFailed');
  expect(partBytes()).toBe(half);
  return server;
};

describe('a download from an honest server', () => {
  it('puts the whole file at its target and leaves nothing beside it', async () => {
    const server = await serve(tellTheTruth);
    const fetched = await fetchFrom(server.url);
    expect(fetched).toEqual({ bytes, sha256, reused: false, resumedFromBytes: 0, url: server.url, notes: [] });
    expectWhole();
    await expectOnlyTarget();
  });

  it('reuses a whole target without asking anybody, and clears away an old part', async () => {
    const server = await serve(tellTheTruth);
    writeFileSync(target, content);
    writeFileSync(`${target}.part`, 'old');
    expect(await fetchFrom(server.url)).toEqual({
      bytes,
      sha256,
      reused: true,
      resumedFromBytes: 0,
      url: null,
      notes: [],
    });
    expect(server.requests).toEqual([]);
    await expectOnlyTarget();
  });

  it.each([
    ['of the wrong size', content.subarray(1)],
    ['with other bytes', Buffer.alloc(bytes)],
  ])('replaces a target %s', async (_how, wrong) => {
    const server = await serve(tellTheTruth);
    writeFileSync(target, wrong);
    expect(await fetchFrom(server.url)).toHaveProperty('reused', false);
    expectWhole();
  });

  it('fetches again what is there when no hash is known, and says which it is', async () => {
    const server = await serve(tellTheTruth);
    writeFileSync(target, content);
    const fetched = await fetchFrom(server.url, { bytes: null, sha256: null });
    expect(fetched).toEqual({ bytes, sha256, reused: false, resumedFromBytes: 0, url: server.url, notes: [] });
  });

  it('reports how far it is, also over what it finds on the disk', async () => {
    const server = await beginHalf({}, tellTheTruth);
    const progress: DownloadProgress[] = [];
    await fetchFrom(server.url, { onProgress: (step) => progress.push(step) });
    expect(progress[0]).toMatchObject({ bytes: half, totalBytes: bytes, source: null, note: null });
    expect(progress.at(-1)).toMatchObject({ bytes, totalBytes: bytes, etaSeconds: 0, source: server.url });
    expect(progress.map((step) => step.bytes)).toEqual(progress.map((step) => step.bytes).toSorted((a, b) => a - b));
  });

  it('follows up to three redirects', async () => {
    const server = await serve(...hops(3), tellTheTruth);
    await fetchFrom(server.url);
    expectWhole();
  });
});

const hops = (count: number): [Answer, ...Answer[]] => [
  redirectTo('/next?signature=secret'),
  ...Array.from({ length: count - 1 }, () => redirectTo('/next')),
];

describe('a download that broke off', () => {
  it('goes on from the byte where the connection was reset, if the file is still the same', async () => {
    const server = await beginHalf({}, tellTheTruth);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', half);
    expect(server.requests[1]).toEqual({ range: rest, ifRange: '"v1"' });
    expectWhole();
    await expectOnlyTarget();
  });

  it('keeps what arrived when the server stalls', async () => {
    const server = await serve(stallAfter(1000), tellTheTruth);
    const failure = await failureOf(fetchFrom(server.url, { stallMs: 100 }));
    expectFailure(failure, 'DownloadFailed', 'for 100 ms');
    expect(partBytes()).toBe(1000);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 1000);
    expectWhole();
  });

  it('leaves a server that never answers', async () => {
    const server = await serve(neverAnswer);
    expect(await failureOf(fetchFrom(server.url, { stallMs: 100 }))).toHaveProperty('code', 'DownloadFailed');
  });

  it('does not take a short body for the whole file', async () => {
    const server = await serve(sendOnly(1000), tellTheTruth);
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadFailed', `1000 of ${bytes} bytes`);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 1000);
  });

  it('does not take nothing at all for a file', async () => {
    const server = await serve(sendNothing);
    const unknown = { bytes: null, sha256: null };
    expect(await failureOf(fetchFrom(server.url, unknown))).toHaveProperty('code', 'DownloadFailed');
  });

  it('goes on after kill -9 of the process that fetched', { timeout: 30_000 }, async () => {
    const server = await serve(stallAfter(half), tellTheTruth);
    const child = startFetchChild(folder, { urls: [server.url], target, bytes, sha256, stallMs: 60_000 });
    while (!existsSync(`${target}.part.jsonl`) || partBytes() < half) await sleep(20);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(target)).toBe(false);
    expect(await fetchFrom(server.url)).toMatchObject({ bytes, sha256, reused: false, resumedFromBytes: half });
    expectWhole();
    await expectOnlyTarget();
  });

  it('only checks and renames a part that is already whole', async () => {
    const server = await beginHalf({}, tellTheTruth);
    writeFileSync(`${target}.part`, content);
    claim(half, bytes);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', bytes);
    expect(server.requests).toHaveLength(1);
    expectWhole();
  });

  it.each([
    ['whose origin is unknown', () => writeFileSync(`${target}.part.jsonl`, '{"v":')],
    ['that is longer than the file', () => claim(0, bytes + 1)],
    ['that is shorter than its state says', () => truncateSync(`${target}.part`, half - 1)],
    ['that is gone', () => rmSync(`${target}.part`)],
    ['that somebody made a link', () => replaceByLink(`${target}.part`)],
  ])('throws away a part %s', async (_which, damage) => {
    const server = await beginHalf({}, tellTheTruth);
    damage();
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 0);
    expect(server.requests[1]?.range).toBeUndefined();
    expectWhole();
  });

  it('ends with the reason of its signal and keeps what arrived', async () => {
    const server = await serve(stallAfter(1000), tellTheTruth);
    const controller = new AbortController();
    const reason = new Error('the worker stops');
    const onProgress = (): void => controller.abort(reason);
    await expect(fetchFrom(server.url, { signal: controller.signal, onProgress })).rejects.toBe(reason);
    await expect(fetchFrom(server.url, { signal: controller.signal })).rejects.toBe(reason);
    expect(server.requests).toHaveLength(1);
    expect(partBytes()).toBe(1000);
  });

  it('ends with the reason of its signal while it waits for an answer', async () => {
    const server = await serve(neverAnswer);
    const reason = new Error('the worker stops');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await expect(fetchFrom(server.url, { signal: controller.signal })).rejects.toBe(reason);
  });
});

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
    const server = await beginHalf({}, sendWith({ 'content-range': `bytes ${half}-${bytes}/${bytes + 1}` }));
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

  it('is refused when nobody says how long the file is and no hash could show it', async () => {
    const server = await serve(sendOnly(1000));
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
    const server = await serve(resetWith(half, { 'content-length': bytes + 1 }), tellTheTruth);
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
    expectFailure(failure, 'DownloadFailed', `answered ${status}`);
    expect(partBytes()).toBe(half);
  });

  it.each([204, 304, 401, 403, 404, 410])('with %i is not asked again', async (status) => {
    const server = await serve(answerStatus(status));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', `answered ${status}`);
  });

  it('is left after three redirects', async () => {
    const server = await serve(redirectTo('/round'));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', 'more than 3 times');
    expect(server.requests).toHaveLength(4);
  });

  it.each([
    ['a file', 'file:///etc/passwd'],
    ['an address with credentials', 'http://user:secret@127.0.0.1/'],
    ['nowhere', ''],
    ['nonsense', 'http://['],
  ])('is not followed to %s', async (_where, location) => {
    const server = await serve(redirectTo(location));
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadRefused', 'was redirected');
    expect(failure.message).not.toContain('secret');
  });

  it.each(['demo:file.bin', 'file:///etc/passwd', 'not an address', 'http://user:secret@127.0.0.1/'])(
    'to be one: %s is no address to fetch from',
    async (url) => {
      const failure = await failureOf(fetchFrom(url));
      expectFailure(failure, 'DownloadRefused', 'is no http');
      expect(failure.message).not.toContain('secret');
    },
  );

  it('or is not there at all is named with the reason', async () => {
    const server = await serve(tellTheTruth);
    await server.close();
    servers = [];
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

describe('several mirrors', () => {
  it('are tried in order until one gives the file', async () => {
    const missing = await serve(answerStatus(404));
    const wrong = await serve(sendWrongBytes);
    const good = await serve(tellTheTruth);
    const unused = await serve(tellTheTruth);
    await fetchFrom([missing.url, wrong.url, good.url, unused.url]);
    expect(unused.requests).toEqual([]);
    expectWhole();
  });

  it('go on with what another mirror began, when a hash can prove the whole', async () => {
    const first = await serve(resetAfter(half));
    const second = await serve(tellTheTruth);
    await fetchFrom([first.url, second.url]);
    expect(second.requests).toEqual([{ range: rest, ifRange: undefined }]);
    expectWhole();
  });

  it('are not blamed for the wrong bytes of another', async () => {
    const first = await serve(sendWrongBytesThenReset(half));
    const second = await serve(tellTheTruth);
    expect(await fetchFrom([first.url, second.url])).toHaveProperty('resumedFromBytes', 0);
    expect(second.requests.map(({ range }) => range)).toEqual([rest, undefined]);
    expectWhole();
  });

  it('are never mixed without a hash; the one that began goes on first', async () => {
    const unknown = { bytes: null, sha256: null };
    const first = await serve(answerStatus(503), resetAfter(half));
    const second = await serve(resetAfter(1000), tellTheTruth);
    expect(await failureOf(fetchFrom([first.url, second.url], unknown))).toHaveProperty('code', 'DownloadFailed');
    expect(await fetchFrom([first.url, second.url], unknown)).toMatchObject({ sha256, resumedFromBytes: 1000 });
    expect(first.requests).toHaveLength(1);
  });

  it.each([half, bytes])('without a hash start from zero when the one that gave %i bytes is gone', async (had) => {
    const unknown = { bytes: null, sha256: null };
    await beginHalf(unknown, tellTheTruth);
    writeFileSync(`${target}.part`, Buffer.alloc(had));
    const other = await serve(tellTheTruth);
    expect(await fetchFrom(other.url, unknown)).toMatchObject({ sha256, resumedFromBytes: 0 });
  });

  it('without a hash start from zero when one fails and the next takes over', async () => {
    const first = await serve(resetAfter(half));
    const second = await serve(tellTheTruth);
    await fetchFrom([first.url, second.url], { sha256: null });
    expect(second.requests[0]?.range).toBeUndefined();
    expectWhole();
  });

  it('that all fail give one error with the reason of each, worth another try if any is', async () => {
    const missing = await serve(answerStatus(404));
    const busy = await serve(answerStatus(503));
    const failure = await failureOf(fetchFrom([missing.url, busy.url]));
    expect(failure.code).toBe('DownloadFailed');
    expect(failure.message).toBe(
      [
        `None of 2 mirrors filled ${target}.part:`,
        `- DownloadRefused: ${missing.url} answered 404.`,
        `- DownloadFailed: ${busy.url} answered 503.`,
        'Next: Nothing, it is tried again. If it persists, check the network and the address.',
      ].join('\n'),
    );
  });

  it('that all refuse are not tried again', async () => {
    const missing = await serve(answerStatus(404));
    const login = await serve(sendWebPage);
    expect(await failureOf(fetchFrom([missing.url, login.url]))).toHaveProperty('code', 'DownloadRefused');
  });

  it('must be at least one', async () => {
    expect(await failureOf(fetchFrom([]))).toHaveProperty('code', 'DownloadRefused');
  });
});

describe('the disk', () => {
  it('that is full is named, and what arrived is kept', { timeout: 30_000 }, async (context) => {
    if (!(await canMountSmallDisk(folder))) context.skip();
    const server = await serve(tellTheTruth);
    const options = { urls: [server.url], target, bytes, sha256, stallMs: 5_000 };
    const { code, message, left } = await runOnSmallDisk(65_536, folder, options);
    expect(code).toBe('DiskFull');
    expect(message).toContain(`downloading ${target}.part`);
    expect(left).toEqual(['file.bin.part', 'file.bin.part.json']);
  });

  it('on which another process took the part away gives no broken file', async () => {
    const server = await serve(tellTheTruth);
    const onProgress = (): void => rmSync(`${target}.part`, { force: true });
    const failure = await failureOf(fetchFrom(server.url, { onProgress }));
    expectFailure(failure, 'ChecksumMismatch', 'got 0');
    await expectNothing();
  });

  it('that has no such folder is no fault of the server', async () => {
    const server = await serve(tellTheTruth);
    const lost = fetchFrom(server.url, { target: join(folder, 'none', 'file.bin') });
    await expect(lost).rejects.toHaveProperty('code', 'ENOENT');
  });
});
