import type { TrainerEvent } from '../../../configs/schema/index.ts';

/** Steps of the run that were done in one go. */
interface StepSpan {
  from: number;
  to: number;
  seconds: number;
}

export interface TimeSpent {
  /** In all steps, in those that no later start took back, and in validation. */
  steppingSeconds: number;
  productiveSeconds: number;
  evaluationSeconds: number;
}

/** Adds up what all trainers of a run spent since a time, from their events in the order in which they were written. */
export class TrainingTime {
  private readonly since: number;
  private kept: StepSpan[] = [];
  private steppingSeconds = 0;
  private evaluationSeconds = 0;
  private iteration = 0;

  /** @param since Unix seconds; what came before it belongs to an earlier run in the same folder. */
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
    const productiveSeconds = this.kept.reduce((sum, { seconds }) => sum + seconds, 0);
    return { steppingSeconds, productiveSeconds, evaluationSeconds };
  }

  /** A trainer starts at this iteration: what was done beyond it will be done again. */
  private discardAfter(iteration: number): void {
    this.iteration = iteration;
    this.kept = this.kept.flatMap((stretch) => {
      const { from, to, seconds } = stretch;
      if (to <= iteration) return [stretch];
      return from < iteration ? [{ from, to: iteration, seconds: (seconds * (iteration - from)) / (to - from) }] : [];
    });
  }

  /** Of something that ended at `t`, the part since `since`. */
  private clipToWindow(t: number, seconds: number): number {
    return Math.max(0, Math.min(seconds, t - this.since));
  }
}
