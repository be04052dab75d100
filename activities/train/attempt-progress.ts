import type { RemoteCopy, TrainerEvent } from '../../configs/schema/index.ts';
import { applyEvent, initialState, isMilestone, type RunState } from '../shared/run/run-state.ts';
import { TrainingTime, type TimeSpent } from '../shared/run/training-time.ts';
import type { TrainingRequest } from './training-request.ts';

/** Progress of one training attempt, as reported by its heartbeat, its signals and its result. */
export class AttemptProgress {
  readonly #time: TrainingTime;
  #state: RunState;
  #hasTrainerReported = false;
  #gpuWait: string | null = null;
  #remote: RemoteCopy | null = null;
  #startedAt = Date.now() / 1000;

  constructor({ attempt, control, since }: Pick<TrainingRequest, 'attempt' | 'control' | 'since'>) {
    this.#time = new TrainingTime(since);
    this.#state = initialState(attempt, control.epochs, attempt);
  }

  get state(): RunState {
    return this.#state;
  }

  /** Start time of the attempt, Unix seconds. */
  get startedAt(): number {
    return this.#startedAt;
  }

  get timeSpent(): TimeSpent {
    return this.#time.total();
  }

  heartbeatDetails(): unknown {
    if (!this.#hasTrainerReported) return this.#gpuWait ?? 'starting';
    return { ...this.#state.progress, remote: this.#remote };
  }

  /** Records what the attempt waits for; null when it has its GPUs. The attempt begins after the wait. */
  setGpuWait(text: string | null): void {
    this.#gpuWait = text;
    this.#startedAt = Date.now() / 1000;
  }

  /** Follows the events of a trainer, which an earlier attempt may have started. */
  followTrainer(trainerAttempt: number): void {
    this.#state = { ...this.#state, watched: trainerAttempt };
  }

  /** Applies events of the trainer. @returns whether the new state is worth a signal to the workflow. */
  apply(events: readonly TrainerEvent[]): boolean {
    let hasMilestone = false;
    for (const event of events) {
      hasMilestone ||= isMilestone(this.#state, event);
      this.#state = applyEvent(this.#state, event);
    }
    this.addTime(events);
    this.#hasTrainerReported = true;
    return hasMilestone;
  }

  /** Adds the time that these events report, without following their trainer. */
  addTime(events: readonly TrainerEvent[]): void {
    for (const event of events) this.#time.add(event);
  }

  setEpochs(epochs: number): void {
    this.#state = { ...this.#state, progress: { ...this.#state.progress, epochs } };
    this.#hasTrainerReported = true;
  }

  setRemoteCopy(copy: RemoteCopy): void {
    this.#remote = copy;
  }
}
