import type { TrainerEvent } from '../../../configs/schema/index.ts';

/** Steps of the run that were done in one go. */
interface Stretch {
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
  private lasting: Stretch[] = [];
  private steppingSeconds = 0;
  private evaluationSeconds = 0;
  private iteration = 0;

  /** @param since Unix seconds; what came before it belongs to an earlier run in the same folder. */
  constructor(since: number) {
    this.since = since;
  }

  add(event: TrainerEvent): void {
    if (event.type === 'started') this.takeBack(event.iteration);
    if (event.type === 'validation') this.evaluationSeconds += this.within(event.t, event.seconds);
    if (event.type !== 'step') return;
    const from = this.iteration;
    this.iteration = event.iteration;
    const seconds = this.within(event.t, event.stepSeconds * Math.max(0, event.iteration - from));
    this.steppingSeconds += seconds;
    if (seconds > 0) this.lasting.push({ from, to: event.iteration, seconds });
  }

  total(): TimeSpent {
    const { steppingSeconds, evaluationSeconds } = this;
    const productiveSeconds = this.lasting.reduce((sum, { seconds }) => sum + seconds, 0);
    return { steppingSeconds, productiveSeconds, evaluationSeconds };
  }

  /** A trainer starts at this iteration: what was done beyond it will be done again. */
  private takeBack(iteration: number): void {
    this.iteration = iteration;
    this.lasting = this.lasting.flatMap((stretch) => {
      const { from, to, seconds } = stretch;
      if (to <= iteration) return [stretch];
      return from < iteration ? [{ from, to: iteration, seconds: (seconds * (iteration - from)) / (to - from) }] : [];
    });
  }

  /** Of something that ended at `t`, the part since `since`. */
  private within(t: number, seconds: number): number {
    return Math.max(0, Math.min(seconds, t - this.since));
  }
}
