import { open } from 'node:fs/promises';
import { TrainerEvent } from '../../../configs/schema/index.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { parseJson } from '../files/json-file.ts';
import { namePath } from '../files/name-path.ts';

const chunkBytes = 256 * 1024;
/** Far longer than any event; longer lines are dropped to bound memory. */
const maxLineBytes = 1024 * 1024;
/** A training that logs each step records half a million, which are passed on in parts. */
const maxPart = 10_000;
const newline = 0x0a;
/** How the trainer begins the line of a step. */
const stepStart = Buffer.from('{"v":1,"type":"step",');

interface ReaderOptions {
  /**
   * Steps that are passed on: `all`, the `last` of consecutive ones, or `none`. The others are not parsed, which is 20
   * times as fast. All by default.
   */
  steps?: 'all' | 'last' | 'none';
  /** Called before the events of a file that replaced the one read so far. */
  onReplaced?: () => void;
}

/** Receives new events in parts. `isLast` is true once per read: when the end of the file is reached. */
export type OnEvents = (events: TrainerEvent[], isLast: boolean) => void;

/** Reads the events that were appended to progress.jsonl since the last call. Lines that do not parse are skipped. */
export class ProgressReader {
  readonly #path: string;
  readonly #options: ReaderOptions;
  /** Used by every read: a job is polled several times per second. */
  readonly #chunk = Buffer.allocUnsafe(chunkBytes);
  #inode: number | undefined;
  #offset = 0;
  #rest: Buffer = Buffer.alloc(0);
  /** Newest step that was not passed on. */
  #step: Buffer | undefined;

  constructor(path: string, options: ReaderOptions = {}) {
    this.#path = path;
    this.#options = options;
  }

  /** Passes on the new events; makes no call if there are none. */
  readNew(onEvents: OnEvents): Promise<void> {
    return namePath(this.#path, this.#parseNew(onEvents));
  }

  async #parseNew(onEvents: OnEvents): Promise<void> {
    let part: TrainerEvent[] = [];
    let isPassedOn = false;
    for await (const line of this.#newLines()) {
      const event = parseJson(line, TrainerEvent);
      if (event === undefined) continue;
      part.push(event);
      if (part.length < maxPart) continue;
      onEvents(part, false);
      part = [];
      isPassedOn = true;
    }
    if (part.length > 0 || isPassedOn) onEvents(part, true);
  }

  async *#newLines(): AsyncGenerator<string> {
    const file = await ignoreMissing(open(this.#path));
    if (file === undefined) return this.#follow(undefined, 0);
    try {
      const { ino, size } = await file.stat();
      this.#follow(ino, size);
      for (;;) {
        const { bytesRead } = await file.read(this.#chunk, 0, chunkBytes, this.#offset);
        if (bytesRead === 0) break;
        this.#offset += bytesRead;
        yield* this.#splitLines(this.#chunk.subarray(0, bytesRead));
      }
      yield* this.#takeStep();
    } finally {
      await file.close();
    }
  }

  /** Starts over if the file is another one, or was truncated. */
  #follow(inode: number | undefined, bytes: number): void {
    if (this.#inode !== undefined && (inode !== this.#inode || bytes < this.#offset)) {
      this.#offset = 0;
      this.#rest = Buffer.alloc(0);
      this.#options.onReplaced?.();
    }
    this.#inode = inode;
  }

  *#splitLines(chunk: Buffer): Generator<string> {
    let text = Buffer.concat([this.#rest, chunk]);
    for (let end = text.indexOf(newline); end >= 0; end = text.indexOf(newline)) {
      const line = text.subarray(0, end);
      text = text.subarray(end + 1);
      if (this.#options.steps === undefined || this.#options.steps === 'all' || !isStep(line)) {
        yield* this.#takeStep();
        yield line.toString();
      } else if (this.#options.steps === 'last') this.#step = line;
    }
    this.#rest = text.length > maxLineBytes ? Buffer.alloc(0) : Buffer.from(text);
  }

  *#takeStep(): Generator<string> {
    if (this.#step !== undefined) yield this.#step.toString();
    this.#step = undefined;
  }
}

const isStep = (line: Buffer): boolean => line.subarray(0, stepStart.length).equals(stepStart);

/** Reads all events. */
export const readProgress = (path: string): Promise<TrainerEvent[]> => readAll(path, {});

/** Reads all events except steps, which are most of a long file. */
export const readWithoutSteps = async (path: string): Promise<Exclude<TrainerEvent, { type: 'step' }>[]> =>
  (await readAll(path, { steps: 'none' })).filter((event) => event.type !== 'step');

async function readAll(path: string, options: ReaderOptions): Promise<TrainerEvent[]> {
  const all: TrainerEvent[] = [];
  await new ProgressReader(path, options).readNew((events) => {
    for (const event of events) all.push(event);
  });
  return all;
}
