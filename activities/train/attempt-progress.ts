import type { RemoteCopy, TrainerEvent, WatchedTrainer } from '../../configs/schema/index.ts';
import { applyEvent, initialState, isMilestone, type RunState } from '../shared/run/run-state.ts';
import { TrainingTime } from '../shared/run/training-time.ts';
import type { RunningJob } from '../shared/trainer/trainer-process.ts';
import type { TrainingRequest } from './training-request.ts';

interface ProgressStart extends Pick<TrainingRequest, 'attempt' | 'since'> {
  control: Pick<TrainingRequest['control'], 'epochs'>;
}

/** Progress of one training attempt, as reported by its heartbeat, its signals and its result. */
export class AttemptProgress {
  /** Newest event of each type, by any trainer of the run. */
  readonly newest: { [Type in TrainerEvent['type']]?: Extract<TrainerEvent, { type: Type }> } = {};
  readonly #time: TrainingTime;
  #state: RunState;
  #job: (RunningJob & { fence: number }) | undefined;
  #hasTrainerReported = false;
  #isFolderLost = false;
  #lastEventAt: number | null = null;
  #gpuWait: string | null = null;
  #remote: RemoteCopy | null = null;
  #startedAt = Date.now() / 1000;

  constructor({ attempt, control, since }: ProgressStart) {
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

  heartbeatDetails(): unknown {
    if (!this.#hasTrainerReported) return this.#gpuWait ?? 'starting';
    return { ...this.#state.progress, remote: this.#remote, watched: this.watched };
  }

  /** Records what the attempt waits for; null when it has its GPUs. The attempt begins after the wait. */
  setGpuWait(text: string | null): void {
    this.#gpuWait = text;
    this.#startedAt = Date.now() / 1000;
  }

  get isWaitingForGpus(): boolean {
    return this.#gpuWait !== null;
  }

  /** Training time that a crash would lose: that of the steps after the newest checkpoint. */
  get unsavedSeconds(): number {
    const { started, checkpoint } = this.newest;
    // A trainer starts at the checkpoint that it resumes from, which a rollback may have chosen.
    const isResumed = started !== undefined && started.t > (checkpoint?.t ?? 0);
    return this.#time.secondsAfter(isResumed ? started.iteration : (checkpoint?.iteration ?? 0));
  }

  /** Time of the newest event, Unix seconds. */
  get lastEventAt(): number | null {
    return this.#lastEventAt;
  }

  /** Whether the run folder was deleted while the trainer ran. */
  get isFolderLost(): boolean {
    return this.#isFolderLost;
  }

  setFolderLost(): void {
    this.#isFolderLost = true;
  }

  /** Follows the events of a trainer, which an earlier attempt may have started. @param fence of this attempt. */
  followTrainer(running: RunningJob, fence: number): void {
    this.#job = { ...running, fence };
    this.#state = { ...this.#state, watched: running.owner.attempt };
  }

  /** What is known of the followed trainer. */
  get watched(): WatchedTrainer {
    const { trainer, progress } = this.#state;
    return {
      fence: this.#job?.fence ?? null,
      adopted: this.#job?.adopted ?? false,
      host: this.#job?.owner.host ?? null,
      code: this.#job?.owner.code,
      resumedFrom: trainer?.resumedFrom ?? null,
      fromIteration: trainer?.startIteration ?? null,
      toIteration: trainer === null ? null : progress.iteration,
      fromEpoch: trainer?.startEpoch ?? null,
      epoch: trainer?.epoch ?? null,
      firstStepAt: trainer?.firstStepAt ?? null,
      ...this.#time.total(),
    };
  }

  /** Applies events of the trainer. @returns whether the new state is worth a signal to the workflow. */
  apply(events: readonly TrainerEvent[]): boolean {
    let hasMilestone = false;
    for (const event of events) {
      hasMilestone ||= isMilestone(this.#state, event);
      this.#state = applyEvent(this.#state, event);
      Object.assign(this.newest, { [event.type]: event });
      this.#lastEventAt = event.t;
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
