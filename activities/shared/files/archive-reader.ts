import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { RandomAccessReader } from 'yauzl';

const chunkBytes = 256 * 1024;

/** Reader for yauzl that checks bounds. yauzl's own reader crashes the process on a malicious offset. */
export class ArchiveReader extends RandomAccessReader {
  readonly #file: FileHandle;
  readonly #bytes: number;

  constructor(file: FileHandle, bytes: number) {
    super();
    this.#file = file;
    this.#bytes = bytes;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#readRange(start, end), { objectMode: false });
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.#fill(buffer.subarray(offset, offset + length), position).then(() => callback(null), callback);
  }

  async *#readRange(start: number, end: number): AsyncGenerator<Buffer> {
    for (let position = start; position < end; position += chunkBytes) {
      const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, end - position));
      await this.#fill(chunk, position);
      yield chunk;
    }
  }

  async #fill(buffer: Buffer, position: number): Promise<void> {
    const end = position + buffer.length;
    if (end > this.#bytes) throw new RangeError(`it references byte ${end}, but the file ends at byte ${this.#bytes}`);
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await this.#file.read(buffer, filled, buffer.length - filled, position + filled);
      if (bytesRead === 0) throw new RangeError(`it was truncated at byte ${position + filled} while being read`);
      filled += bytesRead;
    }
  }
}
