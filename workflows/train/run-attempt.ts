import { ActivityFailure, ApplicationFailure, patched, TimeoutFailure } from '@temporalio/workflow';
import { isVerdict, type ErrorCode } from '../../configs/errors.ts';
import { LastDetails, type Attempt } from '../../configs/schema/index.ts';
import { onLeader, queuePriority, training } from '../support/policies.ts';
import { adoptAfterErrors } from './patches.ts';
import type { StatusBoard } from './status-board.ts';

export type AttemptRequest = Parameters<typeof training.runTraining>[0];

/** Runs one attempt and returns its report, or the outcome `worker-lost` if the worker can no longer report. */
export async function runAttempt(request: AttemptRequest, board: StatusBoard): Promise<Attempt> {
  const startedAt = Date.now() / 1000;
  const { plan, attempt: number, control, priority } = request;
  try {
    const summary = `attempt ${number}, epochs ${board.progress?.epoch ?? 0} → ${control.epochs}`;
    const options = { summary, priority: queuePriority(priority), ...onLeader(plan) };
    return await training.runTraining.executeWithOptions(options, [request]);
  } catch (error) {
    const lost = lostWatch(error);
    if (lost === undefined) throw error;
    return { ...unreportedAttempt(number, startedAt, board), outcome: 'worker-lost', ...lost };
  }
}

/** Why an attempt lost sight of its trainer, and what it knew of it. */
type LostWatch = Pick<Attempt, 'cause' | 'watchError'> & Partial<Attempt>;

/**
 * Returns why an attempt lost sight of its trainer, which may still be running; undefined for a cancellation and for a
 * verdict, such as an invalid data set. Every other error counts as a lost worker: EMFILE, EIO or a defect of the
 * activity say nothing about the training.
 */
export function lostWatch(error: unknown): LostWatch | undefined {
  if (!(error instanceof ActivityFailure)) return undefined;
  const { cause } = error;
  if (cause instanceof TimeoutFailure)
    return { cause: `Worker lost: ${formatTimeout(cause)}.`, ...readLastDetails(cause.lastHeartbeatDetails) };
  if (!(cause instanceof ApplicationFailure) || isVerdict(cause.type)) return undefined;
  const isLoss = lossCodes.some((code) => code === cause.type);
  const lost = { cause: cause.message, ...readLastDetails(cause.details?.[0]) };
  if (isLoss) return lost;
  return patched(adoptAfterErrors) ? { ...lost, watchError: cause.type ?? 'Unexpected' } : undefined;
}

function readLastDetails(raw: unknown): Partial<Attempt> | undefined {
  const { data } = LastDetails.safeParse(raw);
  if (data === undefined) return undefined;
  const { watched, ...ended } = data;
  return { ...watched, ...ended };
}

/** Codes with which a worker announces its own end. */
const lossCodes: ErrorCode[] = ['WorkerStopping', 'WorkerLost'];

/** Creates the record of an attempt that no activity reported. @param startedAt in Unix seconds. */
export const unreportedAttempt = (number: number, startedAt: number, board: StatusBoard): Omit<Attempt, 'outcome'> => ({
  attempt: number,
  fence: null,
  adopted: false,
  resumedFrom: null,
  fromIteration: null,
  toIteration: board.progress?.iteration ?? null,
  checkpointIteration: null,
  fromEpoch: null,
  epoch: null,
  host: null,
  checkpoints: [],
  quarantined: [],
  cause: null,
  failure: null,
  logTail: [],
  startedAt,
  firstStepAt: null,
  trainerEndedAt: null,
  endedAt: Date.now() / 1000,
  steppingSeconds: 0,
  productiveSeconds: 0,
  evaluationSeconds: 0,
});

/** Formats a timeout as Temporal names it: `heartbeat timeout`, `start-to-close timeout`. */
const formatTimeout = ({ timeoutType }: TimeoutFailure): string =>
  `${timeoutType?.toLowerCase().replaceAll('_', '-') ?? 'unknown'} timeout`;
