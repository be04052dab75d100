import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorCode } from '../errors/coded-error.ts';

const retryMs = 200;

/**
 * Locks a target among the processes of this machine; waits while another process holds the lock. The lock is an abstract
 * socket, which the kernel releases after kill -9. Workers in separate network namespaces do not share locks: they write the
 * same bytes to the same offsets, and each verifies its file before publishing.
 * @returns a function that releases the lock.
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
