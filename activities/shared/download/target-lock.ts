import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorCode } from '../errors/coded-error.ts';

const retryMs = 200;

/**
 * Makes sure that one download of this machine works on a target, and waits for another one to end. The lock is a name in
 * the kernel (an abstract socket): it can't be left behind by kill -9. Workers with separate networks do not see
 * each other's; they write the same bytes at the same places, and what is published is checked to be one's own.
 * @returns how to give it back.
 */
export const lockTarget = async (
  target: string,
  { signal, onWait }: { signal: AbortSignal; onWait: () => void },
): Promise<() => Promise<void>> => {
  const path = join(await realpath(dirname(target)), basename(target));
  const name = `\0everswin-download-${createHash('sha256').update(path).digest('hex').slice(0, 40)}`;
  for (let waited = false; ; waited = true) {
    signal.throwIfAborted();
    const server = await listen(name);
    if (server !== null) return () => new Promise((resolve) => server.close(() => resolve()));
    if (!waited) onWait();
    await sleep(retryMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
};

const listen = (name: string): Promise<Server | null> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => (systemErrorCode(error) === 'EADDRINUSE' ? resolve(null) : reject(error)));
    server.listen({ path: name }, () => resolve(server));
    server.unref();
  });
