import type { FileHandle } from 'node:fs/promises';

/** Enough to keep the disk busy, little enough to lose: what waits here is gone after kill -9. */
const maxWaitingBytes = 4 * 1024 * 1024;

/** Writes while the caller reads on: what arrives during one write goes out together in the next. */
export class BatchWriter {
  readonly #file: FileHandle;
  #position: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #draining: Promise<void> | null = null;

  constructor(file: FileHandle, position: number) {
    this.#file = file;
    this.#position = position;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#draining === null) {
      this.#draining = this.#drain();
      // Awaited by a later write or flush; until then its failure must not count as unhandled.
      this.#draining.catch(() => undefined);
    }
    if (this.#waitingBytes >= maxWaitingBytes) await this.#draining;
  }

  /** Resolves when all is written; rejects for ever once a write failed. */
  async flush(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = Buffer.concat(this.#waiting);
      this.#waiting = [];
      this.#waitingBytes = 0;
      await this.#writeAll(batch);
    }
    this.#draining = null;
  }

  /** At explicit positions: two writers of the same bytes, a lost worker's and its successor's, do no harm. */
  async #writeAll(batch: Buffer): Promise<void> {
    let rest = batch;
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file.write(rest, 0, rest.length, this.#position);
      this.#position += bytesWritten;
      rest = rest.subarray(bytesWritten);
    }
  }
}
