/**
 * Hashes a growing file in a worker thread. It is plain JavaScript, because a thread without a TypeScript loader starts ten
 * times as fast.
 */
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

const hash = createHash('sha256');
const buffer = Buffer.allocUnsafe(1024 * 1024);
let hashed = 0;

/** Each message contains the offset up to which the file may be read. */
parentPort.on('message', ({ front, last }) => {
  while (hashed < front) {
    const bytes = readSync(workerData.fd, buffer, 0, Math.min(buffer.length, front - hashed), hashed);
    if (bytes === 0) throw new Error(`The file ends at byte ${hashed}, but ${front} bytes were written.`);
    hash.update(buffer.subarray(0, bytes));
    hashed += bytes;
    if (hashed === front || hashed % (16 * buffer.length) === 0) parentPort.postMessage({ hashed });
  }
  if (last) parentPort.postMessage({ hashed, sha256: hash.digest('hex') });
});
