import {
  defineQuery,
  defineSignal,
  metricMeter,
  setCurrentDetails,
  setDefaultSignalHandler,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import {
  gpuHealthSignalName,
  namedProgressPrefix,
  progressSignalName,
  statusQueryName,
  waitingSignalName,
} from '../../configs/names.ts';
import { attemptsMetric } from '../../configs/prometheus-metrics.ts';
import { z } from 'zod';
import { buildLedger } from '../../activities/shared/summary/ledger.ts';
import {
  GpuProblem,
  Progress,
  type Attempt,
  type Check,
  type Decision,
  type EpochChange,
  type ReportRef,
  type RunFailure,
  type TrainerControl,
  type RunStatus,
  type Stage,
  type StepOutcome,
} from '../../configs/schema/index.ts';
import { renderRunDetails } from './run-details.ts';
import {
  bboxKey,
  epochKey,
  goodputKey,
  lastFailureKey,
  phaseKey,
  recipeKey,
  segmKey,
} from '../support/search-attribute-keys.ts';

const statusQuery = defineQuery<RunStatus>(statusQueryName);
/** Signal of the training activity; `unknown`, because any client may send a signal. */
const progressSignal = defineSignal<[unknown]>(progressSignalName);
/** Signal of an activity whose job waits for GPUs. */
const waitingSignal = defineSignal<[unknown]>(waitingSignalName);
/** Signal of an activity that watches GPUs. */
const gpuHealthSignal = defineSignal<[unknown]>(gpuHealthSignalName);
const GpuProblems = z.array(GpuProblem);

/** Publishes the state of a run: `status` query, current details and search attributes, updated together. */
export class StatusBoard {
  private status: RunStatus;
  /** What the run may have left running; null if nothing. */
  private leftover: string | null = null;
  /** Receives the GPUs that are not healthy, after each change. */
  onGpuHealth: (problems: readonly GpuProblem[]) => void = () => undefined;

  constructor(runId: string, recipe: string) {
    this.status = {
      runId,
      recipe,
      stage: 'planning',
      progress: null,
      checks: [],
      steps: [],
      attempts: [],
      decisions: [],
      ledger: buildLedger([], 0),
      control: null,
      notice: null,
      waiting: null,
      report: null,
      page: null,
    };
    setHandler(statusQuery, () => this.status, {
      description: 'Returns stage, progress, attempts, decisions and the ledger of the run.',
    });
    setHandler(progressSignal, (raw) => this.receiveProgress(raw), {
      description: 'Sent by the training activity after each epoch. Not for manual use.',
    });
    setDefaultSignalHandler((name, raw) => {
      if (name.startsWith(namedProgressPrefix)) this.receiveProgress(raw);
    });
    setHandler(
      waitingSignal,
      (waiting) => {
        if (waiting === null || typeof waiting === 'string') this.show({ waiting });
      },
      { description: 'Sent by an activity that waits for GPUs. Not for manual use.' },
    );
    setHandler(
      gpuHealthSignal,
      (raw) => {
        const problems = GpuProblems.safeParse(raw);
        if (!problems.success) return;
        this.show({ gpus: problems.data });
        this.onGpuHealth(problems.data);
      },
      { description: 'Sent by an activity that watches GPUs. Not for manual use.' },
    );
    this.show({});
  }

  get runId(): string {
    return this.status.runId;
  }

  get stage(): Stage {
    return this.status.stage;
  }

  /** File name of the newest reported checkpoint. */
  get newestCheckpoint(): string | null {
    return this.status.progress?.lastCheckpoint ?? null;
  }

  /** Number of the newest checkpoint request that was served. */
  get checkpointsTaken(): number {
    return this.status.progress?.checkpointNow ?? 0;
  }

  get attempts(): readonly Attempt[] {
    return this.status.attempts;
  }

  get progress(): Progress | null {
    return this.status.progress;
  }

  get checks(): readonly Check[] {
    return this.status.checks;
  }

  get steps(): readonly StepOutcome[] {
    return this.status.steps;
  }

  get epochChanges(): readonly EpochChange[] {
    return this.status.epochChanges ?? [];
  }

  get decisions(): readonly Decision[] {
    return this.status.decisions;
  }

  /** Enters a stage. A run that has ended waits for nothing, so its last notice no longer applies. */
  enter(stage: Stage): void {
    const isOver = stage === 'failed' || stage === 'cancelled';
    const notice = this.leftover && `${this.leftover} It is stopped when the worker starts again.`;
    this.show(isOver ? { stage, notice, waiting: null } : { stage });
  }

  /** Ends a failed run, and shows why it failed. */
  fail(failure: RunFailure): void {
    this.status = { ...this.status, failure };
    this.enter('failed');
  }

  /** Records which hosts did not confirm that the run's trainer has stopped. */
  leaveTrainerOn(hosts: readonly string[]): void {
    this.leftover =
      hosts.length === 0
        ? null
        : `${hosts.join(', ')} did not answer, so a trainer of this run may still be running there.`;
  }

  /** Shows in a paused run what it may have left running. */
  showLeftover(): void {
    if (this.leftover !== null)
      this.showNotice(`Paused, but ${this.leftover} To adopt it: everswin resume ${this.runId}`);
  }

  /** Adds results of the dry run. */
  addChecks(checks: readonly Check[]): void {
    this.show({ checks: [...this.status.checks, ...checks] });
  }

  /** Adds which steps were cached, and why. */
  addSteps(...outcomes: StepOutcome[]): void {
    this.show({ steps: [...this.status.steps, ...outcomes] });
  }

  /** Adds the steps of the preparation and what it found, in one update: each one is a command of the workflow. */
  addPreparation(outcomes: readonly StepOutcome[], findings: readonly Check[]): void {
    this.show({ steps: [...this.status.steps, ...outcomes], checks: [...this.status.checks, ...findings] });
  }

  addAttempt(attempt: Attempt, decision: Decision, pausedSeconds: number): void {
    const attempts = [...this.status.attempts, attempt];
    const decisions = [...this.status.decisions, decision];
    const { progress } = this.status;
    metricMeter.createCounter(attemptsMetric.name).add(1, { outcome: attempt.outcome });
    this.show({
      attempts,
      decisions,
      waiting: null,
      ledger: buildLedger(attempts, pausedSeconds),
      // No trainer runs until the next attempt, so there is no speed to estimate the time left with.
      progress: progress && { ...progress, etaSeconds: null, imagesPerSecond: null, mfu: null },
    });
  }

  /** Records what the newest decision changed, once a person has decided. */
  changeDecision(change: string | null): void {
    const { decisions } = this.status;
    this.show({ decisions: decisions.map((one, index) => (index < decisions.length - 1 ? one : { ...one, change })) });
  }

  /** Shows the address of the run's page. Changes no search attribute, so it adds no event to the history. */
  showPage(page: string | null): void {
    this.status = { ...this.status, page };
    setCurrentDetails(renderRunDetails(this.status));
  }

  showControl(control: TrainerControl): void {
    this.show({ control });
  }

  addEpochChange(change: EpochChange): void {
    this.show({ epochChanges: [...this.epochChanges, change] });
  }

  /** Shows what the user should know or do now; null clears it. */
  readonly showNotice = (notice: string | null): void => this.show({ notice });

  /** Ends the run. The scores of the test replace those of the last validation. */
  finish({ uri: report, detector, bbox, segm }: ReportRef): void {
    const { progress } = this.status;
    this.show({
      stage: 'done',
      report,
      ...(detector === undefined ? {} : { detector }),
      progress: progress && { ...progress, bboxAP: bbox.AP, segmAP: segm.AP, validatedEpoch: undefined },
    });
  }

  private receiveProgress(raw: unknown): void {
    const progress = Progress.safeParse(raw);
    if (progress.success) this.show({ progress: progress.data, ...this.withValidation(progress.data) });
  }

  /** Adds a validation. After a rollback, it replaces those of the same and later epochs. */
  private withValidation({ validatedEpoch: epoch, bboxAP, segmAP }: Progress): Pick<RunStatus, 'validations'> {
    const { validations = [] } = this.status;
    if (epoch === undefined) return {};
    return { validations: [...validations.filter((one) => one.epoch < epoch), { epoch, bboxAP, segmAP }] };
  }

  private show(change: Partial<RunStatus>): void {
    this.status = { ...this.status, ...change };
    const { recipe, progress, ledger, attempts } = this.status;
    const lastFailure = attempts.findLast(({ failure }) => failure !== null)?.failure?.class ?? null;
    setCurrentDetails(renderRunDetails(this.status));
    upsertSearchAttributes([
      { key: phaseKey, value: phaseOf(this.status) },
      { key: recipeKey, value: recipe },
      { key: epochKey, value: progress?.epoch ?? 0 },
      { key: bboxKey, value: progress?.bboxAP ?? null },
      { key: segmKey, value: progress?.segmAP ?? null },
      { key: goodputKey, value: ledger.goodput },
      { key: lastFailureKey, value: lastFailure },
    ]);
  }
}

/** Returns `stalled` if the run waits for GPUs, storage or a person, or made no step since its last failure. */
function phaseOf({ stage, waiting, notice, attempts, progress }: RunStatus): Stage | 'stalled' {
  const last = attempts.at(-1);
  const hasFailed = last?.failure != null && (progress === null || progress.attempt <= last.attempt);
  if (stage === 'training') return waiting !== null || notice !== null || hasFailed ? 'stalled' : stage;
  return ['fetching', 'testing', 'reporting'].includes(stage) && notice !== null ? 'stalled' : stage;
}
