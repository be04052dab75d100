import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import {
  expectOnlyTarget,
  fetchFrom,
  folder,
  serveFile,
  sha256Of,
  target,
} from '../../../fixtures/download-fixture.ts';
import { writeHead, type Answer } from '../../../fixtures/faulty-server.ts';
import { startFetchChild } from '../../../fixtures/run-fetch-child.ts';

const MiB = 1024 * 1024;
const content = randomBytes(64 * MiB);
const sha256 = sha256Of(content);
const bytes = content.length;
/** Maximum loss per open range. */
const maxLostBytes = 8 * MiB;

/** Sends about 4 MiB/s per connection, so that few bytes are in flight, and counts them. */
class SlowServer {
  sent = 0;
  open = 0;

  readonly answer: Answer = async (request, response) => {
    const range = writeHead(request, response, content, {});
    this.open += 1;
    response.once('close', () => (this.open -= 1));
    for (let at = 0; at < range.length && !response.destroyed; at += MiB / 16) {
      const piece = range.subarray(at, at + MiB / 16);
      response.write(piece);
      this.sent += piece.length;
      await sleep(16);
    }
    response.end();
  };
}

it('downloadFile loses at most 8 MiB per open range after kill -9', async () => {
  const slow = new SlowServer();
  const server = await serveFile(content, slow.answer);
  const child = startFetchChild(folder, { urls: [server.url], target, bytes, sha256 });
  while (slow.sent < bytes / 2) await sleep(5);
  const openRanges = slow.open;
  child.kill('SIGKILL');
  await once(child, 'exit');
  while (slow.open > 0) await sleep(5);
  expect(openRanges).toBeGreaterThan(2);
  expect(existsSync(target)).toBe(false);

  const before = slow.sent;
  const { resumedFromBytes } = await fetchFrom(server.url, { bytes, sha256 });
  const fetchedTwice = slow.sent - bytes;
  expect(slow.sent - before).toBe(bytes - resumedFromBytes);
  expect(fetchedTwice).toBeGreaterThan(0);
  expect(fetchedTwice / openRanges).toBeLessThanOrEqual(maxLostBytes);
  expect(sha256Of(readFileSync(target))).toBe(sha256);
  await expectOnlyTarget();
});
