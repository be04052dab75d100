import { createHash } from 'node:crypto';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PartSource } from '../../configs/fetched-files.ts';
import { BatchWriter } from './batch-writer.ts';
import { systemErrorCode } from './coded-error.ts';
import { readJson } from './json-file.ts';
import { hashFileInto, syncFolder, writeFileWhole, type Hashing } from './whole-file.ts';

/** An unfinished download: `<target>.part`, its origin in `<target>.part.json`, and the hash of what it holds. */
export class PartFile {
  readonly path: string;
  readonly #target: string;
  readonly #sourcePath: string;
  #hash = createHash('sha256');
  #source: PartSource | null = null;
  #bytes = 0;
  #resumedFromBytes = 0;
  #opened: { file: FileHandle; writer: BatchWriter } | null = null;

  constructor(target: string) {
    this.#target = target;
    this.path = `${target}.part`;
    this.#sourcePath = `${target}.part.json`;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get source(): PartSource | null {
    return this.#source;
  }

  /** How much of an earlier call's work is in the file. */
  get resumedFromBytes(): number {
    return this.#resumedFromBytes;
  }

  get sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Goes on from what an earlier call left, when `isUsable` says so, and from nothing otherwise. */
  async resume(isUsable: (source: PartSource, bytes: number) => boolean, hashing: Hashing): Promise<void> {
    const bytes = await sizeOf(this.path);
    const source = bytes === 0 ? undefined : await readJson(this.#sourcePath, PartSource);
    if (source === undefined || !isUsable(source, bytes)) return this.discard();
    await hashFileInto(this.#hash, this.path, hashing);
    this.#source = source;
    this.#bytes = bytes;
    this.#resumedFromBytes = bytes;
  }

  /** Comes before the first byte of a source: bytes without a written origin would be thrown away. */
  async describe(source: PartSource): Promise<void> {
    await writeFileWhole(this.#sourcePath, JSON.stringify(source));
    this.#source = source;
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#opened ??= await this.#open();
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    await this.#opened.writer.write(chunk);
  }

  async #open(): Promise<{ file: FileHandle; writer: BatchWriter }> {
    const file = await open(this.path, this.#bytes > 0 ? 'r+' : 'w');
    return { file, writer: new BatchWriter(file, this.#bytes) };
  }

  /** Deletes instead of truncating: a lost worker may hold the same file open. */
  async discard(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
    await rm(this.#sourcePath, { force: true });
    this.#hash = createHash('sha256');
    this.#source = null;
    this.#bytes = 0;
    this.#resumedFromBytes = 0;
  }

  /** What is on the disk, which another writer could have changed under us. */
  async bytesOnDisk(): Promise<number> {
    await this.#opened?.writer.flush();
    return sizeOf(this.path);
  }

  async publish(): Promise<void> {
    this.#opened ??= await this.#open();
    await this.#opened.writer.flush();
    await this.#opened.file.sync();
    await this.close();
    await rename(this.path, this.#target);
    await syncFolder(dirname(this.#target));
    await rm(this.#sourcePath, { force: true });
  }

  /** Keeps what arrived; what cannot be written any more is simply fetched again. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await opened?.writer.flush().catch(() => undefined);
    await opened?.file.close();
  }
}

const sizeOf = async (path: string): Promise<number> => {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0;
    throw error;
  }
};
