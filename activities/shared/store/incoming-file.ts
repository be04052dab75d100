import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { RangeWriter, createWriterShare } from '../download/parts/range-writer.ts';
import { syncFolder } from '../files/atomic-file.ts';
import { namePath } from '../files/name-path.ts';

/** A file that is hashed while it is written, and gets its final name when it is published. */
export class IncomingFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;
  readonly #writer: RangeWriter;
  readonly #hash = createHash('sha256');
  #bytes = 0;

  private constructor(path: string, temporary: string, file: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
    this.#writer = new RangeWriter(createWriterShare(file), 0, () => undefined);
  }

  /** Creates the temporary file, under a name that trainers remove from their checkpoint folders. */
  static async create(path: string): Promise<IncomingFile> {
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${dirname(path)}/.${basename(path)}.${randomUUID()}.part`;
    return new IncomingFile(path, temporary, await open(temporary, 'wx'));
  }

  get bytes(): number {
    return this.#bytes;
  }

  get sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    this.#writer.push(chunk);
    if (this.#writer.isFull) await namePath(this.#path, this.#writer.drained());
  }

  /** Gives the file its name. Leaves no file if the last bytes cannot be written: they may have filled the disk. */
  async publish(): Promise<void> {
    try {
      await namePath(this.#path, this.#writer.flush());
      await namePath(this.#path, this.#file.sync());
    } catch (error) {
      await this.discard();
      throw error;
    }
    await this.#file.close();
    await rename(this.#temporary, this.#path);
    await syncFolder(dirname(this.#path));
  }

  async discard(): Promise<void> {
    await this.#writer.flush().catch(() => undefined);
    await this.#file.close();
    await rm(this.#temporary, { force: true });
  }
}
