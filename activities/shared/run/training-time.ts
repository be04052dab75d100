import type { TrainerEvent } from '../../../configs/schema/index.ts';

/** Consecutive steps and their duration. */
interface StepSpan {
  from: number;
  to: number;
  seconds: number;
}

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
  private readonly since: number;
  private kept: StepSpan[] = [];
  private steppingSeconds = 0;
  private evaluationSeconds = 0;
  private iteration = 0;

  /** @param since Unix seconds; earlier time belongs to a previous workflow run in the same folder. */
  constructor(since: number) {
    this.since = since;
  }

  add(event: TrainerEvent): void {
    if (event.type === 'started') this.discardAfter(event.iteration);
    if (event.type === 'validation') this.evaluationSeconds += this.clipToWindow(event.t, event.seconds);
    if (event.type !== 'step') return;
    const from = this.iteration;
    this.iteration = event.iteration;
    const seconds = this.clipToWindow(event.t, event.stepSeconds * Math.max(0, event.iteration - from));
    this.steppingSeconds += seconds;
    if (seconds > 0) this.kept.push({ from, to: event.iteration, seconds });
  }

  total(): TimeSpent {
    const { steppingSeconds, evaluationSeconds } = this;
    return { steppingSeconds, productiveSeconds: sumSeconds(this.kept), evaluationSeconds };
  }

  /** Returns the time in the steps after an iteration, which a resume from there would repeat. */
  secondsAfter(iteration: number): number {
    return sumSeconds(this.kept) - sumSeconds(keepUntil(this.kept, iteration));
  }

  /** Discards the steps after the iteration at which a trainer starts, because it repeats them. */
  private discardAfter(iteration: number): void {
    this.iteration = iteration;
    this.kept = keepUntil(this.kept, iteration);
  }

  /** Clips an interval that ended at `t` to the time since `since`. */
  private clipToWindow(t: number, seconds: number): number {
    return Math.max(0, Math.min(seconds, t - this.since));
  }
}

/** Returns the steps up to an iteration, also of the span that contains it. */
const keepUntil = (spans: readonly StepSpan[], iteration: number): StepSpan[] =>
  spans.flatMap((span) => {
    const { from, to, seconds } = span;
    if (to <= iteration) return [span];
    return from < iteration ? [{ from, to: iteration, seconds: (seconds * (iteration - from)) / (to - from) }] : [];
  });

const sumSeconds = (spans: readonly StepSpan[]): number => spans.reduce((sum, { seconds }) => sum + seconds, 0);
