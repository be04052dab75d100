import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { expectOnlyTarget, fetchFrom, folder, serveFile, sha256Of, target } from '../../../fixtures/download-place.ts';
import { begin, type Answer } from '../../../fixtures/lying-server.ts';
import { startFetchChild } from '../../../fixtures/run-fetch-child.ts';

const MiB = 1024 * 1024;
const content = randomBytes(64 * MiB);
const sha256 = sha256Of(content);
const bytes = content.length;
/** What may be lost per open range. */
const mostLost = 8 * MiB;

/** Some 4 MiB/s for each connection, so that little is on its way at any time; counts what it sends. */
class SlowServer {
  sent = 0;
  open = 0;

  readonly answer: Answer = async (request, response) => {
    const wanted = begin(request, response, content, {});
    this.open += 1;
    response.once('close', () => (this.open -= 1));
    for (let at = 0; at < wanted.length && !response.destroyed; at += MiB / 16) {
      const piece = wanted.subarray(at, at + MiB / 16);
      response.write(piece);
      this.sent += piece.length;
      await sleep(16);
    }
    response.end();
  };
}

it('kill -9 with half of the bytes costs at most 8 MiB per open range, and the file is right', async () => {
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
  expect(fetchedTwice / openRanges).toBeLessThanOrEqual(mostLost);
  expect(sha256Of(readFileSync(target))).toBe(sha256);
  await expectOnlyTarget();
});
