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
  expectComplete,
  expectOnlyTarget,
  downloadHalf,
} from '../../../fixtures/download-fixture.ts';
import {
  neverAnswer,
  redirectTo,
  sendNothing,
  sendOnly,
  stallAfter,
  answerCorrectly,
  type Answer,
} from '../../../fixtures/faulty-server.ts';
import { startFetchChild } from '../../../fixtures/run-fetch-child.ts';

describe('downloadFile', () => {
  it('writes the complete file and leaves no other file', async () => {
    const server = await serve(answerCorrectly);
    const fetched = await fetchFrom(server.url);
    expect(fetched).toEqual({ bytes, sha256, reused: false, resumedFromBytes: 0, url: server.url, notes: [] });
    expectComplete();
    await expectOnlyTarget();
  });

  it('reuses a complete target without a request and removes an old part', async () => {
    const server = await serve(answerCorrectly);
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
    ['with different content', Buffer.alloc(bytes)],
  ])('replaces a target %s', async (_label, wrong) => {
    const server = await serve(answerCorrectly);
    writeFileSync(target, wrong);
    expect(await fetchFrom(server.url)).toHaveProperty('reused', false);
    expectComplete();
  });

  it('downloads an existing target again and returns its hash when no hash is known', async () => {
    const server = await serve(answerCorrectly);
    writeFileSync(target, content);
    const fetched = await fetchFrom(server.url, { bytes: null, sha256: null });
    expect(fetched).toEqual({ bytes, sha256, reused: false, resumedFromBytes: 0, url: server.url, notes: [] });
  });

  it('reports progress, including bytes of an earlier call', async () => {
    const server = await downloadHalf({}, answerCorrectly);
    const progress: DownloadProgress[] = [];
    await fetchFrom(server.url, { onProgress: (step) => progress.push(step) });
    expect(progress[0]).toMatchObject({ bytes: half, totalBytes: bytes, source: null, note: null });
    expect(progress.at(-1)).toMatchObject({ bytes, totalBytes: bytes, etaSeconds: 0, source: server.url });
    expect(progress.map((step) => step.bytes)).toEqual(progress.map((step) => step.bytes).toSorted((a, b) => a - b));
  });

  it('follows up to three redirects', async () => {
    const server = await serve(...hops(3), answerCorrectly);
    await fetchFrom(server.url);
    expectComplete();
  });
});

const hops = (count: number): [Answer, ...Answer[]] => [
  redirectTo('/next?signature=secret'),
  ...Array.from({ length: count - 1 }, () => redirectTo('/next')),
];

/** Claims in the state of the part that these bytes were received. */
const claim = (from: number, to: number): void => appendFileSync(`${target}.part.jsonl`, `[${from},${to}]\n`);
const replaceByLink = (path: string): void => {
  renameSync(path, `${path}.elsewhere`);
  symlinkSync(`${path}.elsewhere`, path);
};

describe('downloadFile after an interruption', () => {
  it('resumes at the byte where the connection was reset', async () => {
    const server = await downloadHalf({}, answerCorrectly);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', half);
    expect(server.requests[1]).toEqual({ range: rest, ifRange: '"v1"' });
    expectComplete();
    await expectOnlyTarget();
  });

  it('keeps received bytes when the server stalls', async () => {
    const server = await serve(stallAfter(1000), answerCorrectly);
    const failure = await failureOf(fetchFrom(server.url, { stallMs: 100 }));
    expectFailure(failure, 'DownloadFailed', 'for 100 ms');
    expect(partBytes()).toBe(1000);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 1000);
    expectComplete();
  });

  it('fails when the server does not respond', async () => {
    const server = await serve(neverAnswer);
    expect(await failureOf(fetchFrom(server.url, { stallMs: 100 }))).toHaveProperty('code', 'DownloadFailed');
  });

  it('fails when the body is too short', async () => {
    const server = await serve(sendOnly(1000), answerCorrectly);
    const failure = await failureOf(fetchFrom(server.url));
    expectFailure(failure, 'DownloadFailed', `1000 of ${bytes} bytes`);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 1000);
  });

  it('fails when the body is empty', async () => {
    const server = await serve(sendNothing);
    const unknown = { bytes: null, sha256: null };
    expect(await failureOf(fetchFrom(server.url, unknown))).toHaveProperty('code', 'DownloadFailed');
  });

  it('resumes after kill -9', async () => {
    const server = await serve(stallAfter(half), answerCorrectly);
    const child = startFetchChild(folder, { urls: [server.url], target, bytes, sha256, stallMs: 60_000 });
    while (!existsSync(`${target}.part.jsonl`) || partBytes() < half) await sleep(20);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(target)).toBe(false);
    expect(await fetchFrom(server.url)).toMatchObject({ bytes, sha256, reused: false, resumedFromBytes: half });
    expectComplete();
    await expectOnlyTarget();
  });

  it('only verifies and renames a complete part', async () => {
    const server = await downloadHalf({}, answerCorrectly);
    writeFileSync(`${target}.part`, content);
    claim(half, bytes);
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', bytes);
    expect(server.requests).toHaveLength(1);
    expectComplete();
  });

  it.each([
    ['with an invalid state file', () => writeFileSync(`${target}.part.jsonl`, '{"v":')],
    ['that is longer than the file', () => claim(0, bytes + 1)],
    ['that is shorter than its state says', () => truncateSync(`${target}.part`, half - 1)],
    ['that was removed', () => rmSync(`${target}.part`)],
    ['that became a symbolic link', () => replaceByLink(`${target}.part`)],
  ])('discards a part %s', async (_label, damage) => {
    const server = await downloadHalf({}, answerCorrectly);
    damage();
    expect(await fetchFrom(server.url)).toHaveProperty('resumedFromBytes', 0);
    expect(server.requests[1]?.range).toBeUndefined();
    expectComplete();
  });

  it('rejects with the reason of its signal and keeps received bytes', async () => {
    const server = await serve(stallAfter(1000), answerCorrectly);
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

  it('rejects with the reason of its signal while it waits for a response', async () => {
    const server = await serve(neverAnswer);
    const reason = new Error('the worker stops');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await expect(fetchFrom(server.url, { signal: controller.signal })).rejects.toBe(reason);
  });
});
