/** Virtual time: a queue of events, ordered by time and then by the order in which they were scheduled. */

export interface Timer {
  readonly at: number;
  readonly order: number;
  /** Undefined once cancelled. */
  action: (() => unknown) | undefined;
}

export class Clock {
  /** Milliseconds since the epoch. */
  now = Date.UTC(2026, 0, 1);
  private readonly heap: Timer[] = [];
  private scheduled = 0;

  schedule(delayMs: number, action: () => unknown): Timer {
    const timer = { at: this.now + Math.max(0, delayMs), order: (this.scheduled += 1), action };
    this.push(timer);
    return timer;
  }

  cancel(timer: Timer | undefined): void {
    if (timer !== undefined) timer.action = undefined;
  }

  /** Advances to the next event and returns it; undefined if there is none. */
  next(): (() => unknown) | undefined {
    for (;;) {
      const timer = this.pop();
      if (timer === undefined) return undefined;
      if (timer.action === undefined) continue;
      this.now = Math.max(this.now, timer.at);
      return timer.action;
    }
  }

  private push(timer: Timer): void {
    const { heap } = this;
    let place = heap.push(timer) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.isBefore(place, parent)) break;
      this.swap(place, parent);
      place = parent;
    }
  }

  private pop(): Timer | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let place = 0; ;) {
      let least = place;
      for (const child of [2 * place + 1, 2 * place + 2]) {
        if (child < heap.length && this.isBefore(child, least)) least = child;
      }
      if (least === place) return first;
      this.swap(place, least);
      place = least;
    }
  }

  private isBefore(a: number, b: number): boolean {
    const [one, other] = [this.heap[a], this.heap[b]];
    if (one === undefined || other === undefined) return false;
    return one.at === other.at ? one.order < other.order : one.at < other.at;
  }

  private swap(a: number, b: number): void {
    const [one, other] = [this.heap[a], this.heap[b]];
    if (one === undefined || other === undefined) return;
    this.heap[a] = other;
    this.heap[b] = one;
  }
}
