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
  expectWhole,
  expectNothing,
  beginHalf,
} from '../../../fixtures/download-place.ts';
import {
  answerStatus,
  resetAfter,
  sendWebPage,
  sendWrongBytes,
  sendWrongBytesThenReset,
  tellTheTruth,
  hideSize,
  pauseAfter,
} from '../../../fixtures/lying-server.ts';
import { canMountSmallDisk, runOnSmallDisk } from '../../../fixtures/run-fetch-child.ts';

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
    const first = await serve(answerStatus(503), resetAfter(half));
    const second = await serve(resetAfter(1000), tellTheTruth);
    expect(await failureOf(fetchFrom([first.url, second.url], unknown))).toHaveProperty('code', 'DownloadFailed');
    expect(await fetchFrom([first.url, second.url], unknown)).toMatchObject({ sha256, resumedFromBytes: 1000 });
    expect(first.requests).toHaveLength(1);
  });

  it.each([half, bytes])('without a hash start from zero when the one that gave %i bytes is gone', async (had) => {
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
        `- DownloadRefused: ${missing.url} responded with 404.`,
        `- DownloadFailed: ${busy.url} responded with 503.`,
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
    // Without a size the lack of space shows only when it is there.
    const server = await serve(hideSize);
    const options = { urls: [server.url], target, bytes: null, sha256, stallMs: 5_000 };
    const { code, message, left } = await runOnSmallDisk(65_536, folder, options);
    expect(code).toBe('DiskFull');
    expect(message).toContain(`downloading ${target}.part`);
    expect(left).toEqual(['file.bin.part', 'file.bin.part.jsonl']);
  });

  it('that is too small is named before a byte is written', { timeout: 30_000 }, async (context) => {
    if (!(await canMountSmallDisk(folder))) context.skip();
    const server = await serve(tellTheTruth);
    const options = { urls: [server.url], target, bytes, sha256, stallMs: 5_000 };
    const { code, message, left } = await runOnSmallDisk(65_536, folder, options);
    expect(code).toBe('DiskFull');
    expect(message).toContain(`${target}.part needs ${bytes} more bytes, its disk has 65536 free`);
    expect(left).toEqual([]);
  });

  it('on which another process took the part away gives no broken file', async () => {
    const server = await serve(pauseAfter(half, 700));
    const onProgress = ({ bytes: had }: DownloadProgress): void => {
      if (had === half) rmSync(`${target}.part`, { force: true });
    };
    const failure = await failureOf(fetchFrom(server.url, { onProgress }));
    expectFailure(failure, 'ChecksumMismatch', 'got another file, or none');
    await expectNothing();
  });

  it('that has no such folder is no fault of the server', async () => {
    const server = await serve(tellTheTruth);
    const lost = fetchFrom(server.url, { target: join(folder, 'none', 'file.bin') });
    await expect(lost).rejects.toHaveProperty('code', 'ENOENT');
  });
});
