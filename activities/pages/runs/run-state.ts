import type { TrainerEvent, TrainerOwner } from '../../../configs/schema/index.ts';
import { formatCrash } from '../../shared/summary/format-crash.ts';
import { formatFailureLine } from '../../shared/summary/run-failure.ts';
import { formatInstant } from '../../shared/summary/format-time.ts';
import { formatGpuWait } from '../../shared/trainer/format-gpu-wait.ts';
import { isAlive, isOnThisHost } from '../../shared/trainer/process-identity.ts';
import type { JobSnapshot, RunSnapshot } from './run-snapshot.ts';

/** Stage that a run has reached, as its folder shows it. */
export type RunStage =
  | 'preparing'
  | 'queued'
  | 'starting'
  | 'training'
  | 'stopped'
  | 'cancelled'
  | 'interrupted'
  | 'trained'
  | 'testing'
  | 'completed'
  | 'failed';

/** Stages in which a trainer or a test runs. */
export const runningStages: ReadonlySet<RunStage> = new Set(['starting', 'training', 'testing']);

export const stageNames: Record<RunStage, string> = {
  preparing: 'Preparing',
  queued: 'Waiting for GPUs',
  starting: 'Starting',
  training: 'Training',
  stopped: 'Stopped',
  cancelled: 'Cancelled',
  interrupted: 'Interrupted',
  trained: 'Test pending',
  testing: 'Testing',
  completed: 'Completed',
  failed: 'Failed',
};

export interface RunState {
  readonly stage: RunStage;
  /** Why the run waits, stopped or failed; null in other stages. */
  readonly reason: string | null;
}

/** Events that start and end a trainer. */
type Boundary = Extract<TrainerEvent, { type: 'started' | 'ended' }>;

/** Returns the state of a run: that of its training, or of its test once training has finished. */
export async function findState(snapshot: RunSnapshot, events: readonly TrainerEvent[]): Promise<RunState> {
  const { training, test, failure, cancellation } = snapshot;
  if (failure !== null) return { stage: 'failed', reason: formatFailureLine(failure) };
  if (isReported(snapshot, events)) return { stage: 'completed', reason: null };
  if (cancellation !== null) return { stage: 'cancelled', reason: `Cancelled ${formatInstant(cancellation.at)}.` };
  const last = events.findLast((event) => event.type === 'started' || event.type === 'ended');
  if (last?.type === 'ended' && last.reason === 'finished')
    return findJobState(isNewer(test, last.t) ? test : noJob, { idle: 'trained', running: 'testing' });
  const isEvaluation = last === undefined && training.owner === undefined && training.wait === undefined;
  if (isEvaluation) return findJobState(test, { idle: 'preparing', running: 'testing' });
  const stage = stageAfter(last);
  return findJobState(training, { idle: stage, running: isNewer(training, last?.t ?? 0) ? 'starting' : stage });
}

/** Returns whether the final report exists and no training started after it. */
export const isReported = ({ reportedAt }: RunSnapshot, events: readonly TrainerEvent[]): boolean =>
  reportedAt !== null && reportedAt >= (events.at(-1)?.t ?? 0);

const noJob: JobSnapshot = { owner: undefined, exit: undefined, wait: undefined };

const isNewer = ({ owner, wait }: JobSnapshot, at: number): boolean =>
  Math.max(owner?.startedAt ?? 0, wait?.since ?? 0) > at;

function stageAfter(last: Boundary | undefined): RunStage {
  if (last === undefined) return 'preparing';
  return last.type === 'started' ? 'training' : 'stopped';
}

/** @param stages of a job that was not started, and of one that runs. */
async function findJobState(
  { owner, exit, wait }: JobSnapshot,
  stages: { idle: RunStage; running: RunStage },
): Promise<RunState> {
  if (wait !== undefined && wait.fence > (owner?.fence ?? 0)) return { stage: 'queued', reason: formatGpuWait(wait) };
  if (owner === undefined) return { stage: stages.idle, reason: null };
  if (exit === undefined || exit.fence < owner.fence)
    return (await isLost(owner))
      ? { stage: 'interrupted', reason: `The trainer's supervisor (pid ${owner.pid}) is gone.` }
      : { stage: stages.running, reason: null };
  switch (exit.reason) {
    case 'crashed':
    case 'hung':
      return { stage: 'interrupted', reason: formatCrash(exit) };
    case 'preempted':
      return { stage: 'stopped', reason: 'Paused, or stopped with its worker.' };
    case 'finished':
      return { stage: stages.running === 'testing' ? 'testing' : 'trained', reason: null };
    default:
      return exit.reason satisfies never;
  }
}

const isLost = async (owner: TrainerOwner): Promise<boolean> => (await isOnThisHost(owner)) && !(await isAlive(owner));
