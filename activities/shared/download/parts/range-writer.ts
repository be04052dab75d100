import type { FileHandle } from 'node:fs/promises';
import pLimit, { type LimitFunction } from 'p-limit';

/** Enough to keep the disk busy, little enough to lose: what waits here is gone after kill -9. */
const batchBytes = 1024 * 1024;
/** What a slow source sends is written after so long, however little it is. */
const maxDelayMs = 250;

/** What the writers of one file share. */
export interface WriterShare {
  readonly file: FileHandle;
  /** Serializes writes: the kernel admits one writer of a file at a time, and the others would spin on its lock. */
  readonly serialize: LimitFunction;
  /** Buffers that nobody uses just now. */
  readonly spare: Buffer[];
}

export const createWriterShare = (file: FileHandle): WriterShare => ({ file, serialize: pLimit(1), spare: [] });

interface Batch {
  readonly buffer: Buffer;
  used: number;
}

/**
 * Writes one range while its reader goes on: one batch fills while the other is written. Chunks are copied at once into
 * buffers that are used again: kept until they are written, they would make the garbage collector go through the whole
 * heap every few dozen megabytes, which costs more than everything else together.
 */
export class RangeWriter {
  readonly #file: FileHandle;
  readonly #serialize: LimitFunction;
  readonly #onWritten: (from: number, to: number) => void;
  readonly #spare: Buffer[];
  #position: number;
  #filling: Batch[] = [];
  #draining: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    { file, serialize, spare }: WriterShare,
    position: number,
    onWritten: (from: number, to: number) => void,
  ) {
    this.#file = file;
    this.#serialize = serialize;
    this.#spare = spare;
    this.#position = position;
    this.#onWritten = onWritten;
  }

  /** The reader must rest until `drained`. */
  get isFull(): boolean {
    return this.#draining !== null && this.#hasFullBatch;
  }

  push(chunk: Uint8Array): void {
    for (let rest = chunk; rest.length > 0;) {
      const batch = this.#batchWithRoom();
      const part = rest.subarray(0, batchBytes - batch.used);
      batch.buffer.set(part, batch.used);
      batch.used += part.length;
      rest = rest.subarray(part.length);
    }
    if (this.#hasFullBatch) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), maxDelayMs);
  }

  /** Resolves when no write is under way; rejects for ever once one failed. */
  async drained(): Promise<void> {
    await this.#draining;
  }

  /** Resolves when all is written. */
  async flush(): Promise<void> {
    while (this.#filling.length > 0 || this.#draining !== null) {
      this.#start();
      await this.#draining;
    }
  }

  get #hasFullBatch(): boolean {
    return this.#filling[0]?.used === batchBytes;
  }

  #batchWithRoom(): Batch {
    const last = this.#filling.at(-1);
    if (last !== undefined && last.used < batchBytes) return last;
    const batch = { buffer: this.#spare.pop() ?? Buffer.allocUnsafeSlow(batchBytes), used: 0 };
    this.#filling.push(batch);
    return batch;
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#draining !== null || this.#filling.length === 0) return;
    this.#draining = this.#drain();
    // Awaited by `drained` or `flush`; until then its failure must not count as unhandled.
    this.#draining.catch(() => undefined);
  }

  async #drain(): Promise<void> {
    do {
      const batch = this.#filling.shift();
      if (batch === undefined) break;
      await this.#serialize(() => this.#writeAll(batch.buffer.subarray(0, batch.used)));
      this.#spare.push(batch.buffer);
    } while (this.#hasFullBatch);
    this.#draining = null;
  }

  /** At explicit positions: two writers of the same bytes, a lost worker's and its successor's, do no harm. */
  async #writeAll(batch: Buffer): Promise<void> {
    for (let rest = batch; rest.length > 0;) {
      const { bytesWritten } = await this.#file.write(rest, 0, rest.length, this.#position);
      this.#onWritten(this.#position, this.#position + bytesWritten);
      this.#position += bytesWritten;
      rest = rest.subarray(bytesWritten);
    }
  }
}
