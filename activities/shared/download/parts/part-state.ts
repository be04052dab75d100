import { appendFile } from 'node:fs/promises';
import { PartSource, PartSpan } from '../../../../configs/schema/fetched-files.ts';
import { parseJson, readIfPresent } from '../../files/json-file.ts';
import { writeFileAtomic } from '../../files/atomic-file.ts';
import { ByteSpans, type ByteSpan } from './byte-spans.ts';

/** `<target>.part.jsonl`: the origin of an unfinished download, then each span of bytes that was written. */
export class PartState {
  readonly path: string;
  #waiting = '';
  #writing: Promise<void> | null = null;

  constructor(path: string) {
    this.path = path;
  }

  /** @returns null when there is none that can be trusted. */
  async read(): Promise<{ source: PartSource; spans: ByteSpans } | null> {
    const [head = '', ...lines] = ((await readIfPresent(this.path)) ?? '').split('\n');
    const source = parseJson(head, PartSource);
    if (source === undefined) return null;
    const spans = new ByteSpans();
    // The line that a kill cut short does not count; nor does one that it happens to leave legible without its end.
    for (const line of lines.slice(0, -1)) {
      const span = parseJson(line, PartSpan);
      if (span !== undefined) spans.add(span);
    }
    return { source, spans };
  }

  /** Begins anew with this origin and what is there already. */
  async write(source: PartSource, spans: ByteSpans): Promise<void> {
    await this.settle();
    await writeFileAtomic(this.path, [source, ...spans.all].map((line) => `${JSON.stringify(line)}\n`).join(''));
  }

  /** Comes after the bytes themselves were written. Not synced: a kill of the process keeps what the system holds. */
  add(span: ByteSpan): void {
    this.#waiting += `${JSON.stringify(span)}\n`;
    this.#writing ??= this.#drain();
  }

  /** A line that can't be written costs only the bytes it stands for, after a kill. */
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
