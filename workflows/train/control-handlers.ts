/** Handles the updates that control a running training. Validators reject updates that do not apply, with a reason. */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';
import { controlQueryName, updateNames } from '../../configs/names.ts';
import { EpochCount, type EpochChange, type TrainerControl, type RunPlan } from '../../configs/schema/index.ts';
import type { StatusBoard } from './status-board.ts';
import type { Situation } from './verdict.ts';

/** Iteration from which the run resumes, and seconds until its checkpoint was on disk and all processes had ended. */
interface PausedState {
  iteration: number | null;
  seconds: number;
}

const controlQuery = defineQuery<TrainerControl>(controlQueryName);
export const pauseUpdate = defineUpdate<PausedState>(updateNames.pause);
export const resumeUpdate = defineUpdate(updateNames.resume);
export const stopAfterEpochUpdate = defineUpdate<TrainerControl, [number, string?]>(updateNames.stopAfterEpoch);
export const extendEpochsUpdate = defineUpdate<{ epochs: number; schedule: string }, [number, string?]>(
  updateNames.extendEpochs,
);
/** Takes who sends it, like the updates above. */
const startOverUpdate = defineUpdate(updateNames.startOver);
export const checkpointNowUpdate = defineUpdate<{ checkpoint: string | null }>(updateNames.checkpointNow);

const maxSenderLength = 200;

export class ControlHandlers {
  private readonly board: StatusBoard;
  private readonly plannedEpochs: number;
  private current: TrainerControl;
  private cancelledAt: number | undefined;
  private interruptibleScope: CancellationScope | undefined;
  /** The run is paused and its last attempt has ended. */
  private isStopped = false;
  private isTrainingOver = false;
  /** Whether the run waits for a person, because no saved checkpoint is usable. */
  private isUndecided = false;
  /** Who allowed the run to train from iteration 0; undefined to look for a checkpoint again. */
  private startOverBy: string | undefined;
  /** Wait that a person may end by `resume`, and whether one did. */
  private wait: { isResumed: boolean } | undefined;
  private pausedSince: number | undefined;
  private pausedBefore = 0;

  constructor(plan: RunPlan, board: StatusBoard) {
    this.board = board;
    this.plannedEpochs = plan.epochs;
    this.current = { v: 1, epochs: plan.epochs, checkpointNow: 0, learningRateFactor: 1, fp32: false, accumulate: 1 };
    board.showControl(this.current);
    CancellationScope.current().cancelRequested.catch(() => (this.cancelledAt = now()));
    setHandler(controlQuery, () => this.current, {
      description: 'Returns the settings that may change while the trainer runs, such as the last epoch.',
    });
    setHandler(pauseUpdate, () => this.pause(), {
      description: 'Saves a checkpoint, stops the trainer and frees its GPUs. No input.',
      validator: () => this.requireRunning(),
    });
    setHandler(resumeUpdate, () => this.resume(), {
      description: 'Continues a paused run, or one that waits for GPUs or a decision. No input.',
      validator: () => this.requirePaused(),
    });
    setHandler(stopAfterEpochUpdate, (epochs, who) => this.changeEpochs('stop-after', epochs, who), {
      description: 'Ends the training after an epoch, before the planned one. Input: the number of the epoch.',
      validator: (...[epochs]: [number, string?]) => this.requireStoppable(epochs),
    });
    setHandler(extendEpochsUpdate, (epochs, who) => this.extend(epochs, who), {
      description: 'Trains to a later epoch than planned. Input: the number of the epoch.',
      validator: (...[epochs]: [number, string?]) => this.requireExtendable(epochs),
    });
    setHandler(startOverUpdate, (who?: unknown) => this.startOver(who), {
      description: 'Trains from iteration 0 a run that has lost its checkpoints and asks. No input.',
      validator: () => this.requireUndecided(),
    });
    setHandler(checkpointNowUpdate, () => this.checkpointNow(), {
      description: 'Saves a checkpoint now and returns its name. No input.',
      validator: () => this.requireRunning(),
    });
  }

  get control(): TrainerControl {
    return this.current;
  }

  get paused(): boolean {
    return this.pausedSince !== undefined;
  }

  get pausedSeconds(): number {
    return this.pausedBefore + (this.pausedSince === undefined ? 0 : now() - this.pausedSince);
  }

  apply(change: Partial<TrainerControl>): TrainerControl {
    this.current = { ...this.current, ...change };
    this.board.showControl(this.current);
    return this.current;
  }

  /** Request of the user since the newest attempt began. */
  get request(): Situation['request'] {
    if (CancellationScope.current().consideredCancelled) return 'cancel';
    return this.paused ? 'pause' : 'nothing';
  }

  /** Seconds since that request; 0 if there is none. */
  get secondsSinceRequest(): number {
    const since = this.cancelledAt ?? this.pausedSince;
    return since === undefined ? 0 : now() - since;
  }

  /** Runs work that a pause cancels. Returns undefined if the pause came before the result. */
  async interruptible<T>(work: () => Promise<T>): Promise<T | undefined> {
    this.interruptibleScope = new CancellationScope();
    try {
      return await this.interruptibleScope.run(work);
    } catch (error) {
      if (isCancellation(error) && (this.request === 'pause' || this.wait?.isResumed)) return undefined;
      throw error;
    } finally {
      this.interruptibleScope = undefined;
    }
  }

  /** Runs a wait of `interruptible` that a person may also end by `resume`. Returns whether a person did. */
  async endsByResume(work: () => Promise<unknown>): Promise<boolean> {
    const wait = { isResumed: false };
    this.wait = wait;
    try {
      await work();
      return wait.isResumed;
    } finally {
      this.wait = undefined;
    }
  }

  async untilResumed(): Promise<void> {
    this.isStopped = this.paused;
    await condition(() => !this.paused);
    this.isStopped = false;
  }

  /**
   * Waits until a person decides how a run without a usable checkpoint continues.
   * @returns who allowed it to start over; undefined to look for a checkpoint again.
   */
  async untilDecided(notice: string): Promise<string | undefined> {
    this.startOverBy = undefined;
    this.isUndecided = true;
    // The run has stopped, so a pause that came in the meantime is complete. Any decision ends it.
    this.isStopped = this.paused;
    this.board.showNotice(notice);
    await condition(() => !this.isUndecided);
    return this.startOverBy;
  }

  /** Rejects all further updates. */
  finishTraining(): void {
    if (this.paused) this.resume();
    this.isTrainingOver = true;
  }

  /** Accepts updates again, because the run trains again. */
  reopenTraining(): void {
    this.isTrainingOver = false;
  }

  /** Waits until the handlers of all accepted updates have returned. A client would otherwise lose its answer. */
  untilAnswered(): Promise<void> {
    return CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  }

  private get name(): string {
    return this.board.runId;
  }

  private async pause(): Promise<PausedState> {
    const since = now();
    this.pausedSince = since;
    this.board.showNotice(`Paused. Resume: everswin resume ${this.name}`);
    this.interruptibleScope?.cancel();
    await condition(() => this.isStopped || this.isTrainingOver);
    return { iteration: this.board.attempts.at(-1)?.checkpoints[0] ?? null, seconds: now() - since };
  }

  private startOver(who: unknown): void {
    this.startOverBy = senderOf(who) ?? 'a person';
    this.resume();
  }

  private resume(): void {
    this.isUndecided = false;
    if (this.wait !== undefined && !this.paused) {
      this.wait.isResumed = true;
      this.interruptibleScope?.cancel();
    }
    this.pausedBefore = this.pausedSeconds;
    this.pausedSince = undefined;
    this.board.showNotice(null);
  }

  /** @param who sent the request; any client may send anything, or nothing. */
  private changeEpochs(request: EpochChange['request'], epochs: number, who: unknown): TrainerControl {
    this.board.addEpochChange({ at: now(), request, from: this.current.epochs, to: epochs, who: senderOf(who) });
    return this.apply({ epochs });
  }

  private extend(epochs: number, who: unknown): { epochs: number; schedule: string } {
    this.changeEpochs('extend', epochs, who);
    // The schedule of the learning rate depends on the plan only, so a run that was shortened first follows it again.
    return { epochs, schedule: formatSchedule(this.plannedEpochs + 1, epochs) };
  }

  private async checkpointNow(): Promise<{ checkpoint: string | null }> {
    // Must exceed every request served in this folder, including those of earlier workflow runs.
    const newest = Math.max(this.current.checkpointNow, this.board.checkpointsTaken);
    const { checkpointNow } = this.apply({ checkpointNow: newest + 1 });
    // A training that ends or pauses in the meantime also saves a checkpoint.
    await condition(() => this.board.checkpointsTaken >= checkpointNow || this.isTrainingOver || this.paused);
    return { checkpoint: this.board.newestCheckpoint };
  }

  private requireTraining(): void {
    const { name } = this;
    if (this.isTrainingOver) {
      throw new Error(`The training of ${name} is over, so it cannot change. Status: everswin status ${name}`);
    }
    if (this.isUndecided) {
      throw new Error(
        `${name} does not train: no saved checkpoint is usable, and it waits for a decision. Copy a checkpoint back and run: everswin resume ${name}. Or train from iteration 0: everswin start-over ${name}`,
      );
    }
    if (this.board.stage !== 'training') {
      throw new Error(
        `The training of ${name} has not begun: the run is ${this.board.stage}. Try again during training. Status: everswin status ${name}`,
      );
    }
  }

  private requireRunning(): void {
    this.requireTraining();
    if (!this.paused) return;
    if (!this.isStopped) throw new Error(`${this.name} is already pausing: it saves a checkpoint first.`);
    throw new Error(`${this.name} is paused. Resume: everswin resume ${this.name}`);
  }

  private requireUndecided(): void {
    const { name } = this;
    if (this.isUndecided) return;
    throw new Error(
      `${name} does not ask whether to start over: it only does so when no saved checkpoint is usable. Status: everswin status ${name}`,
    );
  }

  private requirePaused(): void {
    if (this.isUndecided || (this.wait !== undefined && !this.paused)) return;
    if (!this.paused) throw new Error(`${this.name} is not paused. Status: everswin status ${this.name}`);
    if (!this.isStopped)
      throw new Error(`${this.name} is still pausing: it saves a checkpoint first. Try again in a moment.`);
  }

  private requireStoppable(epochs: unknown): void {
    this.requireTraining();
    const requested = requireEpochs(epochs);
    const running = this.board.progress?.epoch ?? 1;
    if (requested < running) {
      throw new Error(
        `Epoch ${requested} is over: ${this.name} trains epoch ${running}. To end at once: everswin cancel ${this.name}`,
      );
    }
    if (requested > this.current.epochs) {
      throw new Error(
        `${this.name} already ends after epoch ${this.current.epochs}. To train longer: everswin extend ${this.name} ${requested}`,
      );
    }
  }

  private requireExtendable(epochs: unknown): void {
    this.requireTraining();
    const requested = requireEpochs(epochs);
    const last = this.current.epochs;
    if (requested > last) return;
    const running = this.board.progress?.epoch ?? 1;
    const advice =
      requested === last || requested < running
        ? `To train longer, name a later epoch: everswin extend ${this.name} ${last + 1}`
        : `To end earlier: everswin stop-after ${this.name} ${requested}`;
    throw new Error(`${this.name} already trains to epoch ${last}. ${advice}`);
  }
}

const senderOf = (who: unknown): string | null =>
  typeof who === 'string' && who !== '' ? who.slice(0, maxSenderLength) : null;

function requireEpochs(epochs: unknown): number {
  const parsed = EpochCount.safeParse(epochs);
  if (parsed.success) return parsed.data;
  throw new Error(`Expected a whole number of epochs from 1 to 1000, got ${JSON.stringify(epochs)}.`);
}

function formatSchedule(firstExtra: number, last: number): string {
  if (firstExtra > last) return 'the planned schedule of the learning rate applies';
  return firstExtra === last
    ? `epoch ${last} uses the final learning rate`
    : `epochs ${firstExtra} to ${last} use the final learning rate`;
}

/** Seconds since the epoch. */
const now = (): number => Date.now() / 1000;
