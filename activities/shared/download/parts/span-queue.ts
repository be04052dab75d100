import type { ByteSpan } from './byte-spans.ts';

/** Large enough that the time of asking does not count, small enough that the hash stays close behind. */
export const spanBytes = 16 * 1024 * 1024;
const minSpanBytes = 1024 * 1024;

/** Deals out what is missing of a file, lowest bytes first; what is not brought goes back by itself. */
export class SpanQueue {
  readonly #missing: () => readonly ByteSpan[];
  readonly #taken = new Set<ByteSpan>();

  constructor(missing: () => readonly ByteSpan[]) {
    this.#missing = missing;
  }

  get unassignedBytes(): number {
    return this.#untaken().reduce((sum, [from, to]) => sum + to - from, 0);
  }

  /** Towards the end the spans shrink, so that all of the `takers` end at the same time. */
  take(takers: number): ByteSpan | null {
    const [gap] = this.#untaken();
    if (gap === undefined) return null;
    const fairBytes = Math.max(minSpanBytes, Math.ceil(this.unassignedBytes / takers));
    const [from, to] = gap;
    const span: ByteSpan = [from, Math.min(to, from + Math.min(spanBytes, fairBytes))];
    this.#taken.add(span);
    return span;
  }

  /** The taker is done with it, whether it brought all or nothing. */
  release(span: ByteSpan): void {
    this.#taken.delete(span);
  }

  #untaken(): ByteSpan[] {
    return [...this.#taken].reduce<ByteSpan[]>(withoutSpan, [...this.#missing()]);
  }
}

const withoutSpan = (gaps: ByteSpan[], [from, to]: ByteSpan): ByteSpan[] =>
  gaps.flatMap(([start, end]): ByteSpan[] => {
    const before: ByteSpan = [start, Math.min(end, from)];
    const behind: ByteSpan = [Math.max(start, to), end];
    return [before, behind].filter(([first, last]) => first < last);
  });
