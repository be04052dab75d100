import { appendFile } from 'node:fs/promises';
import { PartSource, PartSpan } from '../../../../configs/schema/fetched-files.ts';
import { parseJson, readIfPresent } from '../../files/json-file.ts';
import { writeFileAtomic } from '../../files/atomic-file.ts';
import { ByteSpans, type ByteSpan } from './byte-spans.ts';

/** State of an unfinished download in `<target>.part.jsonl`: its origin, then each written span. */
export class PartState {
  readonly path: string;
  #waiting = '';
  #writing: Promise<void> | null = null;

  constructor(path: string) {
    this.path = path;
  }

  /** Reads the state; returns null when it is missing or invalid. */
  async read(): Promise<{ source: PartSource; spans: ByteSpans } | null> {
    const [head = '', ...lines] = ((await readIfPresent(this.path)) ?? '').split('\n');
    const source = parseJson(head, PartSource);
    if (source === undefined) return null;
    const spans = new ByteSpans();
    // Ignores the last line unless it ends with a newline, because a kill may have truncated it.
    for (const line of lines.slice(0, -1)) {
      const span = parseJson(line, PartSpan);
      if (span !== undefined) spans.add(span);
    }
    return { source, spans };
  }

  /** Replaces the state with this origin and these spans. */
  async write(source: PartSource, spans: ByteSpans): Promise<void> {
    await this.settle();
    await writeFileAtomic(this.path, [source, ...spans.all].map((line) => `${JSON.stringify(line)}\n`).join(''));
  }

  /** Appends a span after its bytes were written. Does not sync, because a kill does not lose the page cache. */
  add(span: ByteSpan): void {
    this.#waiting += `${JSON.stringify(span)}\n`;
    this.#writing ??= this.#drain();
  }

  /** Waits for pending writes. A failed write only means that its bytes are fetched again after a kill. */
  async settle(): Promise<void> {
    await this.#writing;
  }

  async #drain(): Promise<void> {
    while (this.#waiting !== '') {
      const lines = this.#waiting;
      this.#waiting = '';
      await appendFile(this.path, lines).catch(() => undefined);
    }
    this.#writing = null;
  }
}
