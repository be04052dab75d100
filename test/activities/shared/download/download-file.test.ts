import { once } from 'node:events';
import { appendFileSync, existsSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { DownloadProgress } from '../../../../activities/shared/download/sources/download-request.ts';
import {
  content,
  sha256,
  bytes,
  half,
  rest,
  folder,
  target,
  serve,
  fetchFrom,
  failureOf,
  expectFailure,
  partBytes,
  expectWhole,
  expectOnlyTarget,
  beginHalf,
} from '../../../fixtures/download-place.ts';
import {
  neverAnswer,
  redirectTo,
  sendNothing,
  sendOnly,
  stallAfter,
  tellTheTruth,
  type Answer,
} from '../../../fixtures/lying-server.ts';
import { startFetchChild } from '../../../fixtures/run-fetch-child.ts';

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

/** Says in the state of the part that these bytes are in it, whether they are or not. */
const claim = (from: number, to: number): void => appendFileSync(`${target}.part.jsonl`, `[${from},${to}]\n`);
const replaceByLink = (path: string): void => {
  renameSync(path, `${path}.elsewhere`);
  symlinkSync(`${path}.elsewhere`, path);
};

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
    const onProgress = ({ bytes: had }: DownloadProgress): void => {
      if (had === 1000) controller.abort(reason);
    };
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
