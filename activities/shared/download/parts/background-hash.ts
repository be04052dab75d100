import { Worker } from 'node:worker_threads';
import { z } from 'zod';

const Message = z.object({ hashed: z.int(), sha256: z.string().optional() });

/**
 * The sha256 of a file that is being written, in order behind the write front: what arrived out of order is read back
 * from the page cache. So the hash is of what the file holds, and is known a moment after the last byte.
 */
export class BackgroundHash {
  readonly #worker: Worker;
  readonly #digest: Promise<string>;
  #front = 0;
  #hashed = 0;

  constructor(fd: number) {
    // Without the parent's loader, which would take longer to start than a small file to hash.
    this.#worker = new Worker(new URL('hash-worker.mjs', import.meta.url), { workerData: { fd }, execArgv: [] });
    this.#digest = new Promise((resolve, reject) => {
      this.#worker.on('message', (message) => {
        const { hashed, sha256 } = Message.parse(message);
        this.#hashed = hashed;
        if (sha256 !== undefined) resolve(sha256);
      });
      this.#worker.once('error', reject);
      this.#worker.once('exit', () => reject(new Error('The hashing thread was stopped.')));
    });
    // Whoever stops it early does not wait for it.
    this.#digest.catch(() => undefined);
  }

  get hashedBytes(): number {
    return this.#hashed;
  }

  /** So many bytes stand in the file without a gap. */
  advance(front: number): void {
    if (front <= this.#front) return;
    this.#front = front;
    this.#worker.postMessage({ front, last: false });
  }

  /** All bytes are there. */
  async finish(front: number): Promise<string> {
    this.#worker.postMessage({ front, last: true });
    return this.#digest;
  }

  /** Must come before its file is closed. */
  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
