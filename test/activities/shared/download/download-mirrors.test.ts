import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DownloadProgress } from '../../../../activities/shared/download/sources/download-request.ts';
import {
  sha256,
  bytes,
  half,
  rest,
  unknown,
  folder,
  target,
  serve,
  fetchFrom,
  failureOf,
  expectFailure,
  expectComplete,
  expectEmptyFolder,
  downloadHalf,
} from '../../../fixtures/download-fixture.ts';
import {
  answerStatus,
  resetAfter,
  sendWebPage,
  sendWrongBytes,
  sendWrongBytesThenReset,
  answerCorrectly,
  hideSize,
  holdAfter,
} from '../../../fixtures/faulty-server.ts';
import { canMountSmallDisk, runOnSmallDisk } from '../../../fixtures/run-fetch-child.ts';

describe('downloadFile with several mirrors', () => {
  it('tries mirrors in order until one succeeds', async () => {
    const missing = await serve(answerStatus(404));
    const wrong = await serve(sendWrongBytes);
    const good = await serve(answerCorrectly);
    const unused = await serve(answerCorrectly);
    await fetchFrom([missing.url, wrong.url, good.url, unused.url]);
    expect(unused.requests).toEqual([]);
    expectComplete();
  });

  it('resumes the part of another mirror when the hash is known', async () => {
    const first = await serve(resetAfter(half));
    const second = await serve(answerCorrectly);
    await fetchFrom([first.url, second.url]);
    expect(second.requests).toEqual([{ range: rest, ifRange: undefined }]);
    expectComplete();
  });

  it('restarts a mirror whose part contains wrong bytes of another', async () => {
    const first = await serve(sendWrongBytesThenReset(half));
    const second = await serve(answerCorrectly);
    expect(await fetchFrom([first.url, second.url])).toHaveProperty('resumedFromBytes', 0);
    expect(second.requests.map(({ range }) => range)).toEqual([rest, undefined]);
    expectComplete();
  });

  it('tries the mirror of the part first and never mixes mirrors without a hash', async () => {
    const first = await serve(answerStatus(503), resetAfter(half));
    const second = await serve(resetAfter(1000), answerCorrectly);
    expect(await failureOf(fetchFrom([first.url, second.url], unknown))).toHaveProperty('code', 'DownloadFailed');
    expect(await fetchFrom([first.url, second.url], unknown)).toMatchObject({ sha256, resumedFromBytes: 1000 });
    expect(first.requests).toHaveLength(1);
  });

  it.each([half, bytes])('restarts without a hash when the mirror of %i bytes is gone', async (had) => {
    await downloadHalf(unknown, answerCorrectly);
    writeFileSync(`${target}.part`, Buffer.alloc(had));
    const other = await serve(answerCorrectly);
    expect(await fetchFrom(other.url, unknown)).toMatchObject({ sha256, resumedFromBytes: 0 });
  });

  it('restarts without a hash when the next mirror takes over', async () => {
    const first = await serve(resetAfter(half));
    const second = await serve(answerCorrectly);
    await fetchFrom([first.url, second.url], { sha256: null });
    expect(second.requests[0]?.range).toBeUndefined();
    expectComplete();
  });

  it('joins the errors of all mirrors, retryable if one of them is', async () => {
    const missing = await serve(answerStatus(404));
    const busy = await serve(answerStatus(503));
    const failure = await failureOf(fetchFrom([missing.url, busy.url]));
    expect(failure.code).toBe('DownloadFailed');
    expect(failure.message).toBe(
      [
        `All 2 mirrors of ${target}.part failed:`,
        `- DownloadRefused: ${missing.url} responded with 404.`,
        `- DownloadFailed: ${busy.url} responded with 503.`,
        'Next: Nothing: the download resumes. If it keeps failing, check the network and the address.',
      ].join('\n'),
    );
  });

  it('throws DownloadRefused when all mirrors refuse', async () => {
    const missing = await serve(answerStatus(404));
    const login = await serve(sendWebPage);
    expect(await failureOf(fetchFrom([missing.url, login.url]))).toHaveProperty('code', 'DownloadRefused');
  });

  it('throws DownloadRefused without mirrors', async () => {
    expect(await failureOf(fetchFrom([]))).toHaveProperty('code', 'DownloadRefused');
  });
});

describe('downloadFile with disk problems', () => {
  it('throws DiskFull and keeps received bytes when the disk is full', async (context) => {
    if (!(await canMountSmallDisk(folder))) context.skip();
    // Without a known size, the disk fills up during the download.
    const server = await serve(hideSize);
    const options = { urls: [server.url], target, bytes: null, sha256, stallMs: 5_000 };
    const { code, message, left } = await runOnSmallDisk(65_536, folder, options);
    expect(code).toBe('DiskFull');
    expect(message).toContain(`downloading ${target}.part`);
    expect(left).toEqual(['file.bin.part', 'file.bin.part.jsonl']);
  });

  it('throws DiskFull before the download when the disk is too small', async (context) => {
    if (!(await canMountSmallDisk(folder))) context.skip();
    const server = await serve(answerCorrectly);
    const options = { urls: [server.url], target, bytes, sha256, stallMs: 5_000 };
    const { code, message, left } = await runOnSmallDisk(65_536, folder, options);
    expect(code).toBe('DiskFull');
    expect(message).toContain(`${target}.part needs ${bytes} more bytes, but its disk has 65536 free`);
    expect(left).toEqual([]);
  });

  it('throws ChecksumMismatch when another process removes the part', async () => {
    const removed = Promise.withResolvers<undefined>();
    const server = await serve(holdAfter(half, removed.promise));
    const onProgress = ({ bytes: had }: DownloadProgress): void => {
      if (had !== half) return;
      rmSync(`${target}.part`, { force: true });
      removed.resolve(undefined);
    };
    const failure = await failureOf(fetchFrom(server.url, { onProgress }));
    expectFailure(failure, 'ChecksumMismatch', 'got a different file or none');
    await expectEmptyFolder();
  });

  it('throws ENOENT when the target folder does not exist', async () => {
    const server = await serve(answerCorrectly);
    const failure = fetchFrom(server.url, { target: join(folder, 'none', 'file.bin') });
    await expect(failure).rejects.toHaveProperty('code', 'ENOENT');
  });
});
