import type { ByteSpan } from './byte-spans.ts';

/** Large enough to amortize the request latency, small enough for the hash to keep up. */
export const spanBytes = 16 * 1024 * 1024;
const minSpanBytes = 1024 * 1024;

/** Assigns the missing spans of a file in ascending order. A released span that is still missing is assigned again. */
export class SpanQueue {
  readonly #missing: () => readonly ByteSpan[];
  readonly #assigned = new Set<ByteSpan>();

  constructor(missing: () => readonly ByteSpan[]) {
    this.#missing = missing;
  }

  get unassignedBytes(): number {
    return this.#unassigned().reduce((sum, [from, to]) => sum + to - from, 0);
  }

  /** Assigns the next span. Spans shrink near the end, so that all workers finish at the same time. */
  take(workers: number): ByteSpan | null {
    const [gap] = this.#unassigned();
    if (gap === undefined) return null;
    const fairBytes = Math.max(minSpanBytes, Math.ceil(this.unassignedBytes / workers));
    const [from, to] = gap;
    const span: ByteSpan = [from, Math.min(to, from + Math.min(spanBytes, fairBytes))];
    this.#assigned.add(span);
    return span;
  }

  /** Releases a span, whether it was fetched or not. */
  release(span: ByteSpan): void {
    this.#assigned.delete(span);
  }

  #unassigned(): ByteSpan[] {
    return [...this.#assigned].reduce<ByteSpan[]>(withoutSpan, [...this.#missing()]);
  }
}

const withoutSpan = (gaps: ByteSpan[], [from, to]: ByteSpan): ByteSpan[] =>
  gaps.flatMap(([start, end]): ByteSpan[] => {
    const before: ByteSpan = [start, Math.min(end, from)];
    const after: ByteSpan = [Math.max(start, to), end];
    return [before, after].filter(([first, last]) => first < last);
  });
