import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

export interface Part {
  /** From 1 on, as S3 counts. */
  readonly number: number;
  readonly body: Buffer;
}

/** Hands out a file part by part, and hashes it in the same pass; several may ask at the same time. */
export class PartReader {
  readonly #file: FileHandle;
  readonly #bytes: number;
  readonly #partBytes: number;
  readonly #hash = createHash('sha256');
  #next = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(file: FileHandle, bytes: number, partBytes: number) {
    this.#file = file;
    this.#bytes = bytes;
    this.#partBytes = partBytes;
  }

  /** Of everything that was handed out. */
  get sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** The next part, read into the caller's own buffer; undefined behind the last one. */
  next(buffer: Buffer): Promise<Part | undefined> {
    const part = this.#turn.then(() => this.#read(buffer));
    this.#turn = part.catch(() => undefined);
    return part;
  }

  async #read(buffer: Buffer): Promise<Part | undefined> {
    const start = this.#next * this.#partBytes;
    if (start >= this.#bytes) return undefined;
    const body = buffer.subarray(0, Math.min(this.#partBytes, this.#bytes - start));
    for (let filled = 0; filled < body.length;) {
      const { bytesRead } = await this.#file.read(body, filled, body.length - filled, start + filled);
      if (bytesRead === 0) throw new Error(`The file became shorter than ${this.#bytes} bytes while it was read.`);
      filled += bytesRead;
    }
    this.#hash.update(body);
    this.#next += 1;
    return { number: this.#next, body };
  }
}
