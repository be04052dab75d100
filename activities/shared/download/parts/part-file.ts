import { constants } from 'node:fs';
import { open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PartSource } from '../../../../configs/schema/fetched-files.ts';
import { systemErrorCode } from '../../errors/coded-error.ts';
import { ignoreMissing } from '../../files/ignore-missing.ts';
import { syncFolder } from '../../files/atomic-file.ts';
import { ByteSpans, type ByteSpan } from './byte-spans.ts';
import { BackgroundHash } from './background-hash.ts';
import { PartState } from './part-state.ts';
import { RangeWriter, createWriterShare, type WriterShare } from './range-writer.ts';

/** Origin of the bytes that are about to be written. */
type PartOrigin = Omit<PartSource, 'v' | 'mixed' | 'boot'>;

interface OpenPart {
  readonly file: FileHandle;
  readonly hash: BackgroundHash;
  readonly share: WriterShare;
}

const openPart = (file: FileHandle): OpenPart => ({
  file,
  hash: new BackgroundHash(file.fd),
  share: createWriterShare(file),
});

/** An unfinished download: `<target>.part`, its state file, and a hash that follows the written bytes. */
export class PartFile {
  readonly path: string;
  readonly #target: string;
  readonly #state: PartState;
  #source: PartSource | null = null;
  #spans = new ByteSpans();
  #resumedFromBytes = 0;
  #opened: OpenPart | null = null;

  constructor(target: string) {
    this.#target = target;
    this.path = `${target}.part`;
    this.#state = new PartState(`${target}.part.jsonl`);
  }

  get bytes(): number {
    return this.#spans.bytes;
  }

  get source(): PartSource | null {
    return this.#source;
  }

  /** Number of bytes from an earlier call. */
  get resumedFromBytes(): number {
    return this.#resumedFromBytes;
  }

  missing(total: number): ByteSpan[] {
    return this.#spans.missing(total);
  }

  /** Resumes the part of an earlier call if `isUsable` accepts it; discards it otherwise. */
  async resume(isUsable: (source: PartSource, end: number) => boolean): Promise<void> {
    const kept = await this.#state.read();
    const boot = await readBootId();
    // A part that is shorter than its state lost unsynced bytes, or is another file.
    const isComplete = kept !== null && kept.spans.bytes > 0 && (await fileSizeOrZero(this.path)) >= kept.spans.end;
    if (!isComplete) return this.discard();
    const source = { ...kept.source, boot, mixed: kept.source.mixed || kept.source.boot !== boot };
    if (!isUsable(source, kept.spans.end) || !(await this.#openKept())) return this.discard();
    this.#spans = kept.spans;
    this.#resumedFromBytes = kept.spans.bytes;
    this.#source = source;
    this.#opened?.hash.advance(this.#spans.front);
    await this.#state.write(source, this.#spans);
  }

  /** Records the origin before the first byte of a source, because bytes without an origin are discarded. */
  async recordOrigin(origin: PartOrigin): Promise<void> {
    const before = this.#source;
    const mixed = this.bytes > 0 && before !== null && (before.mixed || before.url !== origin.url);
    const source: PartSource = { v: 2, ...origin, mixed, boot: await readBootId() };
    if (this.#opened === null) await this.#openFresh();
    if (JSON.stringify(source) !== JSON.stringify(before)) await this.#state.write(source, this.#spans);
    this.#source = source;
  }

  /** Creates the writer of one range. Call `recordOrigin` first. */
  writerFrom(position: number): RangeWriter {
    if (this.#opened === null) throw new TypeError(`${this.path} has no origin: call recordOrigin() first`);
    const { share, hash } = this.#opened;
    return new RangeWriter(share, position, (from, to) => {
      this.#spans.add([from, to]);
      this.#state.add([from, to]);
      hash.advance(this.#spans.front);
    });
  }

  /** Deletes the part. Does not truncate it, because a lost worker may have the file open. */
  async discard(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
    await rm(this.#state.path, { force: true });
    this.#source = null;
    this.#spans = new ByteSpans();
    this.#resumedFromBytes = 0;
  }

  /** Waits for the hash and the disk sync, and returns the sha256. */
  async finish(): Promise<string> {
    if (this.#opened === null) throw new TypeError(`${this.path} is not open`);
    const { file, hash } = this.#opened;
    const [sha256] = await Promise.all([hash.finish(this.bytes), file.sync()]);
    return sha256;
  }

  /** Returns the size of the file at the path; null when it is not the file that was written and hashed. */
  async bytesAtPath(): Promise<number | null> {
    const opened = await this.#opened?.file.stat();
    const found = await ignoreMissing(stat(this.path));
    return found !== undefined && found.ino === opened?.ino && found.dev === opened.dev ? found.size : null;
  }

  async publish(): Promise<void> {
    await this.close();
    await rename(this.path, this.#target);
    await syncFolder(dirname(this.#target));
    await rm(this.#state.path, { force: true });
  }

  /** Closes the part and keeps it on disk. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await this.#state.settle();
    // The thread must stop first: after a close, its file descriptor may refer to another file.
    await opened?.hash.stop();
    await opened?.file.close();
  }

  async #openFresh(): Promise<void> {
    await rm(this.path, { force: true });
    const file = await open(this.path, 'wx+');
    this.#opened = openPart(file);
  }

  /** Opens the existing part; returns false when it is missing or a symbolic link. */
  async #openKept(): Promise<boolean> {
    try {
      const file = await open(this.path, constants.O_RDWR | constants.O_NOFOLLOW);
      this.#opened = openPart(file);
      return true;
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === 'ENOENT' || code === 'ELOOP') return false;
      throw error;
    }
  }
}

const fileSizeOrZero = async (path: string): Promise<number> => (await ignoreMissing(stat(path)))?.size ?? 0;

/** Reads an id that changes with each boot of the machine. */
const readBootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
