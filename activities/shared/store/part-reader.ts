import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import pLimit from 'p-limit';

export interface Part {
  /** Part number of S3, which starts at 1. */
  readonly number: number;
  readonly body: Buffer;
}

/** Reads a file in parts and hashes it in the same pass. Concurrent calls are serialized. */
export class PartReader {
  readonly #file: FileHandle;
  readonly #bytes: number;
  readonly #partBytes: number;
  readonly #hash = createHash('sha256');
  #next = 0;
  readonly #serialize = pLimit(1);

  constructor(file: FileHandle, bytes: number, partBytes: number) {
    this.#file = file;
    this.#bytes = bytes;
    this.#partBytes = partBytes;
  }

  /** Hash of all parts read so far. */
  get sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Reads the next part into the caller's buffer; returns undefined after the last part. */
  next(buffer: Buffer): Promise<Part | undefined> {
    return this.#serialize(() => this.#read(buffer));
  }

  async #read(buffer: Buffer): Promise<Part | undefined> {
    const start = this.#next * this.#partBytes;
    if (start >= this.#bytes) return undefined;
    const body = buffer.subarray(0, Math.min(this.#partBytes, this.#bytes - start));
    for (let filled = 0; filled < body.length;) {
      const { bytesRead } = await this.#file.read(body, filled, body.length - filled, start + filled);
      if (bytesRead === 0) throw new Error(`The file was truncated below ${this.#bytes} bytes while being read.`);
      filled += bytesRead;
    }
    this.#hash.update(body);
    this.#next += 1;
    return { number: this.#next, body };
  }
}
