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

/** What is known of the origin of bytes that are about to be written. */
export type PartOrigin = Omit<PartSource, 'v' | 'mixed' | 'boot'>;

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

/** An unfinished download: `<target>.part`, its state beside it, and the hash that follows what is written. */
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

  /** How much of an earlier call's work is in the file. */
  get resumedFromBytes(): number {
    return this.#resumedFromBytes;
  }

  missing(total: number): ByteSpan[] {
    return this.#spans.missing(total);
  }

  /** Goes on from what an earlier call left, when `isUsable` says so, and from nothing otherwise. */
  async resume(isUsable: (source: PartSource, end: number) => boolean): Promise<void> {
    const kept = await this.#state.read();
    const boot = await readBootId();
    // A part that is shorter than its state says has lost what it had not synced, or is another file.
    const isWhole = kept !== null && kept.spans.bytes > 0 && (await fileSizeOrZero(this.path)) >= kept.spans.end;
    if (!isWhole) return this.discard();
    const source = { ...kept.source, boot, mixed: kept.source.mixed || kept.source.boot !== boot };
    if (!isUsable(source, kept.spans.end) || !(await this.#openKept())) return this.discard();
    this.#spans = kept.spans;
    this.#resumedFromBytes = kept.spans.bytes;
    this.#source = source;
    this.#opened?.hash.advance(this.#spans.front);
    await this.#state.write(source, this.#spans);
  }

  /** Comes before the first byte of a source: bytes without a written origin would be thrown away. */
  async describe(origin: PartOrigin): Promise<void> {
    const before = this.#source;
    const mixed = this.bytes > 0 && before !== null && (before.mixed || before.url !== origin.url);
    const source: PartSource = { v: 2, ...origin, mixed, boot: await readBootId() };
    if (this.#opened === null) await this.#openFresh();
    if (JSON.stringify(source) !== JSON.stringify(before)) await this.#state.write(source, this.#spans);
    this.#source = source;
  }

  /** For the bytes of one range; the part must have been described. */
  writerFrom(position: number): RangeWriter {
    if (this.#opened === null) throw new TypeError(`${this.path} has no origin yet`);
    const { share, hash } = this.#opened;
    return new RangeWriter(share, position, (from, to) => {
      this.#spans.add([from, to]);
      this.#state.add([from, to]);
      hash.advance(this.#spans.front);
    });
  }

  /** Deletes instead of truncating: a lost worker may hold the same file open. */
  async discard(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
    await rm(this.#state.path, { force: true });
    this.#source = null;
    this.#spans = new ByteSpans();
    this.#resumedFromBytes = 0;
  }

  /** Waits for the hash and, at the same time, for the disk. */
  async finish(): Promise<string> {
    if (this.#opened === null) throw new TypeError(`${this.path} is not open`);
    const { file, hash } = this.#opened;
    const [sha256] = await Promise.all([hash.finish(this.bytes), file.sync()]);
    return sha256;
  }

  /** Is what was written and hashed still what stands at the path? @returns its size there, or null when it is another file. */
  async bytesAtPath(): Promise<number | null> {
    const ours = await this.#opened?.file.stat();
    const there = await ignoreMissing(stat(this.path));
    return there !== undefined && there.ino === ours?.ino && there.dev === ours.dev ? there.size : null;
  }

  async publish(): Promise<void> {
    await this.close();
    await rename(this.path, this.#target);
    await syncFolder(dirname(this.#target));
    await rm(this.#state.path, { force: true });
  }

  /** Keeps what was written. */
  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await this.#state.settle();
    // A thread that reads a closed file could read another one that took its number.
    await opened?.hash.stop();
    await opened?.file.close();
  }

  async #openFresh(): Promise<void> {
    await rm(this.path, { force: true });
    const file = await open(this.path, 'wx+');
    this.#opened = openPart(file);
  }

  /** @returns false when it is gone, or a link that somebody put there. */
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

/** Differs after each start of the machine. */
const readBootId = async (): Promise<string> => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
