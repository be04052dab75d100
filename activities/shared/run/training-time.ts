import type { TrainerEvent } from '../../../configs/schema/index.ts';

export interface TimeSpent {
  /** Time in all steps. */
  steppingSeconds: number;
  /** Time in the steps that no later trainer repeated. */
  productiveSeconds: number;
  /** Time in validation. */
  evaluationSeconds: number;
}

/** Sums the time that all trainers of a run spent. Add their events in the order in which they were written. */
export class TrainingTime {
  readonly #since: number;
  readonly #kept = new StepSpans();
  #steppingSeconds = 0;
  #evaluationSeconds = 0;
  #iteration = 0;

  /** @param since Unix seconds; earlier time belongs to a previous workflow run in the same folder. */
  constructor(since: number) {
    this.#since = since;
  }

  add(event: TrainerEvent): void {
    if (event.type === 'started') this.#discardAfter(event.iteration);
    if (event.type === 'validation') this.#evaluationSeconds += this.#clipToWindow(event.t, event.seconds);
    if (event.type !== 'step') return;
    const from = this.#iteration;
    this.#iteration = event.iteration;
    const seconds = this.#clipToWindow(event.t, event.stepSeconds * Math.max(0, event.iteration - from));
    this.#steppingSeconds += seconds;
    if (seconds > 0) this.#kept.add(from, event.iteration, seconds);
  }

  total(): TimeSpent {
    return {
      steppingSeconds: this.#steppingSeconds,
      productiveSeconds: this.#kept.seconds,
      evaluationSeconds: this.#evaluationSeconds,
    };
  }

  /** Returns the time in the steps after an iteration, which a resume from there would repeat. */
  secondsAfter(iteration: number): number {
    return this.#kept.seconds - this.#kept.secondsUntil(iteration);
  }

  /** Discards the steps after the iteration at which a trainer starts, because it repeats them. */
  #discardAfter(iteration: number): void {
    this.#iteration = iteration;
    this.#kept.truncate(iteration);
  }

  /** Clips an interval that ended at `t` to the time since `since`. */
  #clipToWindow(t: number, seconds: number): number {
    return Math.max(0, Math.min(seconds, t - this.#since));
  }
}

/** Consecutive spans of steps, by iteration, with the time until the end of each. Half a million take 12 MB. */
class StepSpans {
  readonly #from: number[] = [];
  readonly #to: number[] = [];
  readonly #sums: number[] = [];

  get seconds(): number {
    return this.#sums.at(-1) ?? 0;
  }

  add(from: number, to: number, seconds: number): void {
    this.#sums.push(this.seconds + seconds);
    this.#from.push(from);
    this.#to.push(to);
  }

  /** Returns the time in the steps up to an iteration, also of the span that contains it. */
  secondsUntil(iteration: number): number {
    const index = this.#findIndex(iteration);
    const [from, to, sum] = [this.#from[index], this.#to[index], this.#sums[index]];
    const before = this.#sums[index - 1] ?? 0;
    if (from === undefined || to === undefined || sum === undefined || from >= iteration) return before;
    return before + ((sum - before) * (iteration - from)) / (to - from);
  }

  /** Drops the steps after an iteration, and divides the span that contains it. */
  truncate(iteration: number): void {
    const index = this.#findIndex(iteration);
    const [from, seconds] = [this.#from[index], this.secondsUntil(iteration)];
    for (const column of [this.#from, this.#to, this.#sums]) column.length = Math.min(column.length, index);
    if (from !== undefined && from < iteration) this.add(from, iteration, seconds - this.seconds);
  }

  /** Returns the index of the first span that ends after an iteration. */
  #findIndex(iteration: number): number {
    let [low, high] = [0, this.#to.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#to[middle] ?? Infinity) > iteration) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
