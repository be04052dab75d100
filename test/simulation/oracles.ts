/** Checks that must hold after every event, whatever the faults. The first violation ends a simulation. */
import { isDeepStrictEqual } from 'node:util';
import { type FenceHolder } from '../../activities/shared/run/fence.ts';
import { errorCatalogue, type ErrorCode } from '../../configs/errors.ts';
import { workflowTypes } from '../../configs/names.ts';
import {
  RegistryState,
  type RegistryChange,
  type RetrainStatus,
  type RunStatus,
  type Rollback,
  type VersionId,
} from '../../configs/schema/index.ts';
import type { TrainingRequest } from '../../activities/train/training-request.ts';
import type { SimulatedProcess } from './machine/process.ts';
import type { Scenario } from './scenario.ts';
import { undisturbedWeights, type TrainerObservation } from './machine/trainer-model.ts';
import type { Execution } from './temporal/execution.ts';
import { fromPayload } from './temporal/payload.ts';
import { typeOf } from './temporal/server.ts';

/** Names of the oracles, as the results print them. */
export type OracleName =
  | 'one trainer'
  | 'fences'
  | 'attempts'
  | 'checkpoints'
  | 'updates'
  | 'triggers'
  | 'champion'
  | 'progress'
  | 'no trainer behind'
  | 'endings'
  | 'weights'
  | 'history'
  | 'details'
  | 'GPUs'
  | 'determinism'
  | 'same trace'
  | 'workflow task';

export interface Violation {
  oracle: OracleName;
  text: string;
}

/** A checkpoint that the trainer acknowledged and that nothing has made invalid since. */
interface Acknowledged {
  file: string;
  iteration: number;
  fence: number;
}

/** Start of the content that a fault writes into a checkpoint. */
export const damagedContent = 'damaged';
const longestHistory = 4_096;
/** A machine that reaches the store again stops the trainer of a run that has moved within this time. */
const longestSupersededMs = 120_000;
/** Codes that only a passing fault or a defect explains. No run may end with them. */
const passingCodes: ErrorCode[] = [
  'Unexpected',
  'UnexpectedResult',
  'StaleAttempt',
  'WorkerStopping',
  'TrainerLocked',
  'StoreUnavailable',
  'StorageUnavailable',
];

export class Oracles {
  violation: Violation | undefined;
  /** Number of newest checkpoints that the trainer keeps. */
  private readonly keepLast: number;
  private readonly gpus: number;
  private readonly fewerGpus: boolean;
  private readonly isUndisturbed: boolean;
  private readonly trainers = new Map<string, Set<SimulatedProcess>>();
  private readonly fences = new Map<SimulatedProcess, number>();
  /** GPUs that the newest attempt no longer uses, by job. */
  private readonly leftOutGpus = new Map<string, readonly string[]>();
  /** Newest rollback that the workflow asked for, by job. */
  private readonly rollbacks = new Map<string, Rollback | null>();
  /** Triggers that were sent to a retraining since it was last started, by workflow id. */
  private readonly triggers = new Map<string, string[]>();
  /** Jobs that have saved a checkpoint. */
  private readonly savedJobs = new Set<string>();
  /** Time at which a fault damaged a checkpoint, by job and file. */
  private readonly damaged = new Map<string, number>();
  private readonly acknowledged = new Map<string, Acknowledged[]>();
  /** Changes of the registry at its last check. */
  private registryHistory: readonly RegistryChange[] = [];
  /** Workflows that may end with UnexpectedResult. */
  private readonly malformed = new Set<string>();

  constructor({ shape, gpus, fewerGpus, events }: Scenario) {
    this.isUndisturbed = events.length === 0;
    this.keepLast = shape.keepLast;
    this.gpus = gpus;
    this.fewerGpus = fewerGpus;
  }

  violate(oracle: OracleName, text: string): void {
    this.violation ??= { oracle, text };
  }

  /** Each exit of a trainer is the outcome of one attempt, and a run that nothing disturbs needs one attempt. */
  checkAttempts({ runId, attempts }: RunStatus): void {
    const exits = attempts.flatMap(({ trainerEndedAt }) => trainerEndedAt ?? []);
    if (new Set(exits).size < exits.length) this.violate('attempts', `${runId}: two attempts report the same exit`);
    if (this.isUndisturbed && attempts.length > 1)
      this.violate('attempts', `${runId}: ${attempts.length} attempts, although nothing disturbed it`);
  }

  /**
   * A run that fails or is cancelled has stopped its trainer before, or its status says that no worker answered. The worker
   * stops the trainer of a terminated run, which a later run of the same name may outrun.
   */
  checkStopped(job: string, { runId, notice }: RunStatus): void {
    if (notice === null) this.requireNoTrainer(job, `${runId} ended`);
  }

  /** A run that confirms a pause has stopped its trainer, which frees the GPUs. */
  checkPaused(job: string, runId: string): void {
    this.requireNoTrainer(job, `${runId} paused`);
  }

  private requireNoTrainer(job: string, event: string): void {
    const left = [...(this.trainers.get(job) ?? [])].filter(({ alive, frozen }) => alive && !frozen);
    if (left.length > 0)
      this.violate('no trainer behind', `${event} while pid ${left.map(({ pid }) => pid).join(', ')} trains`);
  }

  observe(observation: TrainerObservation): void {
    const { job } = observation;
    if (observation.type === 'ranks started') this.ranksStarted(observation);
    if (observation.type === 'checkpoint acknowledged') {
      const { file, iteration, process } = observation;
      const fence = this.fences.get(process) ?? 0;
      const kept = [...(this.acknowledged.get(job) ?? []), { file, iteration, fence }];
      this.acknowledged.set(job, kept.slice(-this.keepLast));
      this.savedJobs.add(job);
      this.damaged.delete(`${job} ${file}`);
    }
  }

  /** An attempt begins. A rollback discards the checkpoints after it. */
  attemptStarted(job: string, { rollback, gpus }: TrainingRequest): void {
    this.rollbacks.set(job, rollback);
    this.leftOutGpus.set(job, gpus?.leftOut ?? []);
    if (rollback === null) return;
    const kept = (this.acknowledged.get(job) ?? []).filter(
      ({ iteration, fence }) => iteration <= rollback.toIteration || fence > rollback.fence,
    );
    this.acknowledged.set(job, kept);
  }

  /** A fault damaged a checkpoint on disk. */
  checkpointDamaged(job: string, file: string, at: number): void {
    this.damaged.set(`${job} ${file}`, at);
    const kept = (this.acknowledged.get(job) ?? []).filter((one) => one.file !== file);
    this.acknowledged.set(job, kept);
  }

  /** After a run has moved, the trainer on its first machine ends. */
  checkMoved(superseded: readonly SimulatedProcess[], sinceMs: number): void {
    const alive = superseded.filter((process) => process.alive && !process.frozen);
    if (alive.length > 0 && sinceMs > longestSupersededMs)
      this.violate(
        'one trainer',
        `pid ${alive.map(({ pid }) => pid).join(', ')} trains ${sinceMs / 1000} s after another machine took over`,
      );
  }

  /** An attempt hands no checkpoint to its trainer that was damaged before it took its fence. */
  checkDamagedResume(job: string, file: string, fencedAt: number): void {
    if ((this.damaged.get(`${job} ${file}`) ?? Infinity) < fencedAt)
      this.violate('checkpoints', `${job}: the trainer was started with ${file}, although that was damaged before`);
  }

  /** A fault has malformed a message to a workflow, which may then end with UnexpectedResult, and so may its parent. */
  messageMalformed(workflowId: string): void {
    this.malformed.add(workflowId);
  }

  /** The server has accepted a trigger for a retraining. */
  triggerSent(workflowId: string, who: string): void {
    this.triggers.set(workflowId, [...(this.triggers.get(workflowId) ?? []), who]);
  }

  /** A retraining that completes has decided about every trigger that it received. */
  private checkTriggers({ workflowId, result }: Execution): void {
    const { decisions } = fromPayload(result) as RetrainStatus;
    const answered = new Set(decisions.flatMap(({ triggers }) => triggers.map(({ who }) => who)));
    const lost = (this.triggers.get(workflowId) ?? []).filter((who) => !answered.has(who));
    if (lost.length > 0)
      this.violate('triggers', `${workflowId} completed without a decision about ${lost.join(', ')}`);
  }

  /**
   * The champion follows from the history of the registry, each change knew the champion before it, and no writer lost a
   * change of another one.
   */
  checkRegistry(text: string): void {
    const { champion, history } = RegistryState.parse(JSON.parse(text));
    for (const [index, change] of this.registryHistory.entries())
      if (!isDeepStrictEqual(history[index], change))
        this.violate('champion', `the change "${change.action} ${change.version}" by ${change.who} was lost`);
    this.registryHistory = history;
    const candidates = new Set<VersionId>();
    let derived: VersionId | null = null;
    for (const { action, version, from } of history) {
      if (from !== derived)
        this.violate('champion', `${action} ${version} was decided on ${from}, but ${derived} was champion`);
      if (action === 'candidate') candidates.add(version);
      else if (!candidates.has(version)) this.violate('champion', `${version} was never a candidate`);
      if (action === 'promote' || action === 'rollback') derived = version;
    }
    if (champion !== derived) this.violate('champion', `the champion is ${champion}, its history says ${derived}`);
  }

  checkClosed(execution: Execution): void {
    const { workflowId, status, failure, updates, events } = execution;
    const lost = [...updates.values()].filter(({ state }) => state === 'lost');
    if (lost.length > 0 && status !== 'TERMINATED')
      this.violate(
        'updates',
        `${workflowId} ended as ${status} without an answer to ${lost.map(({ name }) => name).join(', ')}`,
      );
    if (events >= longestHistory) this.violate('history', `${workflowId} has ${events} events`);
    if (status === 'COMPLETED' && execution.workflowType === workflowTypes.retrainDetector)
      this.checkTriggers(execution);
    if (status === 'COMPLETED') this.triggers.delete(workflowId);
    // A continued execution hands its triggers on; after any other end, users send them again.
    if (status !== 'COMPLETED' && status !== 'CONTINUED_AS_NEW') this.triggers.delete(workflowId);
    if (status !== 'FAILED' || failure === undefined) return;
    const code = typeOf(failure);
    if (!(code in errorCatalogue))
      this.violate('endings', `${workflowId} failed with "${code}": ${failure.message ?? ''}`);
    if (code === 'UnexpectedResult' && this.malformed.has(workflowId)) {
      if (execution.parent !== undefined) this.malformed.add(execution.parent.execution.workflowId);
      return;
    }
    if (passingCodes.some((one) => one === code))
      this.violate(
        'endings',
        `${workflowId} failed with ${code}, which a passing fault must not cause: ${failure.message ?? ''}`,
      );
  }

  /** An attempt holds no fence above that of a later attempt of the same workflow run. */
  checkFences(runName: string, holders: readonly FenceHolder[]): void {
    const newest = new Map<string, number>();
    for (const { workflowRun, attempt } of holders) {
      const later = newest.get(workflowRun) ?? 0;
      if (attempt < later) this.violate('fences', `${runName}: attempt ${attempt} took the fence of attempt ${later}`);
      newest.set(workflowRun, Math.max(attempt, later));
    }
  }

  /** Checks the weights of a finished training against those of an undisturbed one. */
  checkWeights(workflowId: string, text: string): void {
    if (text.startsWith(damagedContent)) return;
    const { iteration, state } = JSON.parse(text) as { iteration: number; state: number };
    if (undisturbedWeights(iteration).state !== state)
      this.violate(
        'weights',
        `${workflowId}: the weights at iteration ${iteration} are not those of an undisturbed run`,
      );
  }

  private ranksStarted({
    job,
    process,
    fence,
    iteration,
    resumedFrom,
    gpus,
  }: TrainerObservation & { type: 'ranks started' }): void {
    const trainers = this.trainers.get(job) ?? new Set();
    const others = [...trainers].filter((other) => other.alive && other !== process);
    if (others.length > 0)
      this.violate(
        'one trainer',
        `${job}: pid ${process.pid} trains while pid ${others.map(({ pid }) => pid).join(', ')} is alive`,
      );
    const leftOut = gpus.filter((uuid) => this.leftOutGpus.get(job)?.includes(uuid));
    if (leftOut.length > 0) this.violate('GPUs', `${job}: trains on ${leftOut.join(', ')}, which failed twice`);
    if (gpus.length !== this.gpus && (!this.fewerGpus || gpus.length === 0 || this.gpus % gpus.length > 0))
      this.violate('GPUs', `${job}: trains on ${gpus.length} of ${this.gpus} GPUs`);
    this.trainers.set(job, trainers.add(process));
    this.fences.set(process, fence);
    const newest = Math.max(0, ...(this.acknowledged.get(job) ?? []).map((one) => one.iteration));
    if (iteration < newest)
      this.violate(
        'checkpoints',
        `${job}: resumes from ${resumedFrom ?? 'nothing'} (iteration ${iteration}), although iteration ${newest} was acknowledged`,
      );
    const isAllowed = this.rollbacks.get(job)?.toIteration === 0;
    if (iteration === 0 && this.savedJobs.has(job) && !isAllowed)
      this.violate('checkpoints', `${job}: starts from zero without a decision, although checkpoints were saved`);
    // Steps after this iteration are trained again, and their checkpoints are acknowledged again.
    this.acknowledged.set(
      job,
      (this.acknowledged.get(job) ?? []).filter((one) => one.iteration <= iteration),
    );
  }
}
