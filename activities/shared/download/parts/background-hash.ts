import { Worker } from 'node:worker_threads';
import { z } from 'zod';

const Message = z.object({ hashed: z.int(), sha256: z.string().optional() });

/**
 * Hashes a file in a worker thread while it is being written. The thread reads bytes back from the page cache in order, so
 * the sha256 covers the actual content and is ready soon after the last byte.
 */
export class BackgroundHash {
  readonly #worker: Worker;
  readonly #digest: Promise<string>;
  #front = 0;
  #hashed = 0;

  constructor(fd: number) {
    // Without the parent's loader, which takes longer to start than hashing a small file.
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
    // A caller that stops the hash early does not await it.
    this.#digest.catch(() => undefined);
  }

  get hashedBytes(): number {
    return this.#hashed;
  }

  /** Announces that the file has no gaps before `front`. */
  advance(front: number): void {
    if (front <= this.#front) return;
    this.#front = front;
    this.#worker.postMessage({ front, last: false });
  }

  /** Announces that the file is complete, and returns its sha256. */
  async finish(front: number): Promise<string> {
    this.#worker.postMessage({ front, last: true });
    return this.#digest;
  }

  /** Stops the thread. Call it before the file is closed. */
  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
