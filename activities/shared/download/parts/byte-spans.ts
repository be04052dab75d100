/** Half-open range of bytes. */
export type ByteSpan = readonly [from: number, to: number];

/** Set of received bytes: sorted spans that neither touch nor overlap. */
export class ByteSpans {
  #spans: ByteSpan[] = [];

  get bytes(): number {
    return this.#spans.reduce((sum, [from, to]) => sum + to - from, 0);
  }

  /** Number of bytes before the first gap. */
  get front(): number {
    const [first] = this.#spans;
    return first?.[0] === 0 ? first[1] : 0;
  }

  /** Offset after the last received byte. */
  get end(): number {
    return this.#spans.at(-1)?.[1] ?? 0;
  }

  get all(): readonly ByteSpan[] {
    return this.#spans;
  }

  add(span: ByteSpan): void {
    let [from, to] = span;
    if (from >= to) return;
    const separate = this.#spans.filter((other) => {
      if (other[1] < from || other[0] > to) return true;
      from = Math.min(from, other[0]);
      to = Math.max(to, other[1]);
      return false;
    });
    const index = separate.findIndex((other) => other[0] > from);
    this.#spans = separate.toSpliced(index < 0 ? separate.length : index, 0, [from, to]);
  }

  /** Returns the gaps before `total` in ascending order. */
  missing(total: number): ByteSpan[] {
    const ends = [0, ...this.#spans.map(([, to]) => to)];
    const starts = [...this.#spans.map(([from]) => from), total];
    return ends.flatMap((end, index): ByteSpan[] => {
      const start = Math.min(starts[index] ?? total, total);
      return end < start ? [[end, start]] : [];
    });
  }
}
