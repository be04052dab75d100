import type { FileHandle } from 'node:fs/promises';
import pLimit, { type LimitFunction } from 'p-limit';

/** Large enough to keep the disk busy, small enough to lose after kill -9. */
const batchBytes = 1024 * 1024;
/** Maximum delay before bytes of a slow source are written. */
const maxDelayMs = 250;

/** State that all writers of one file share. */
export interface WriterShare {
  readonly file: FileHandle;
  /** Serializes writes: the kernel admits one writer of a file at a time, and the others would spin on its lock. */
  readonly serialize: LimitFunction;
  /** Unused buffers. */
  readonly spare: Buffer[];
}

export const createWriterShare = (file: FileHandle): WriterShare => ({ file, serialize: pLimit(1), spare: [] });

interface Batch {
  readonly buffer: Buffer;
  used: number;
}

/**
 * Writes one range with double buffering: one batch fills while the other is written. Chunks are copied into reused buffers,
 * because holding them would trigger a full garbage collection every few dozen megabytes, which costs more than the copy.
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

  /** True when the reader must wait for `drained`. */
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

  /** Resolves when no write is pending; rejects after a failed write. */
  async drained(): Promise<void> {
    await this.#draining;
  }

  /** Resolves when all bytes are written. */
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
    // `drained` or `flush` awaits it; until then, a failure must not count as unhandled.
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

  /** Writes at explicit offsets, so that a lost worker and its successor can safely write the same bytes. */
  async #writeAll(batch: Buffer): Promise<void> {
    for (let rest = batch; rest.length > 0;) {
      const { bytesWritten } = await this.#file.write(rest, 0, rest.length, this.#position);
      this.#onWritten(this.#position, this.#position + bytesWritten);
      this.#position += bytesWritten;
      rest = rest.subarray(bytesWritten);
    }
  }
}
