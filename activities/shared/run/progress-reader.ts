import { open } from 'node:fs/promises';
import { TrainerEvent } from '../../../configs/schema/index.ts';
import { ignoreMissing } from '../files/ignore-missing.ts';
import { parseJson } from '../files/json-file.ts';
import { namePath } from '../files/name-path.ts';

const chunkBytes = 64 * 1024;
/** Far longer than any event; longer lines are dropped to bound memory. */
const maxLineBytes = 1024 * 1024;
const newline = 0x0a;

/** Reads the events that were appended to progress.jsonl since the last call. Lines that do not parse are skipped. */
export class ProgressReader {
  private readonly path: string;
  private offset = 0;
  /** Used by every read: a job is polled twenty times per second. */
  private readonly chunk = Buffer.allocUnsafe(chunkBytes);
  private rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.path = path;
  }

  readNew(): Promise<TrainerEvent[]> {
    return namePath(this.path, this.parseNew());
  }

  private async parseNew(): Promise<TrainerEvent[]> {
    const events: TrainerEvent[] = [];
    for await (const line of this.newLines()) {
      const event = parseJson(line, TrainerEvent);
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  private async *newLines(): AsyncGenerator<string> {
    const file = await ignoreMissing(open(this.path));
    if (file === undefined) return;
    try {
      for (;;) {
        const { bytesRead } = await file.read(this.chunk, 0, chunkBytes, this.offset);
        if (bytesRead === 0) return;
        this.offset += bytesRead;
        yield* this.splitLines(this.chunk.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  }

  private *splitLines(chunk: Buffer): Generator<string> {
    let text = Buffer.concat([this.rest, chunk]);
    for (let end = text.indexOf(newline); end >= 0; end = text.indexOf(newline)) {
      yield text.toString('utf8', 0, end);
      text = text.subarray(end + 1);
    }
    this.rest = text.length > maxLineBytes ? Buffer.alloc(0) : Buffer.from(text);
  }
}

export const readProgress = (path: string): Promise<TrainerEvent[]> => new ProgressReader(path).readNew();
