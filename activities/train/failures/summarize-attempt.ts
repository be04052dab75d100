import type { RunFolder } from '../../../configs/paths.ts';
import type { Attempt, Failure, Quarantined, RunPlan } from '../../../configs/schema/index.ts';
import { saveLogTail, readAttemptLog } from './attempt-log.ts';
import { listResumableIterations } from '../../shared/run/checkpoints.ts';
import type { PrimaryFailure } from './primary-failure.ts';
import { classifyFailedStart, classifyFailure } from './classify-failure.ts';
import { formatCrash } from './format-crash.ts';
import { listForeignGpuProcesses } from '../../shared/trainer/foreign-gpu-processes.ts';
import { readDiskSpace } from '../../shared/files/free-space.ts';
import { readLogTail } from '../../shared/files/log-tail.ts';
import type { RunState } from '../../shared/run/run-state.ts';
import { SupervisorStartError } from '../../shared/trainer/start-job.ts';
import type { JobOutcome, PythonCommand } from '../../shared/trainer/trainer-process.ts';
import type { TimeSpent } from '../../shared/run/training-time.ts';

const tailLines = 20;

export interface WatchedAttempt {
  folder: RunFolder;
  plan: RunPlan;
  python: PythonCommand;
  attempt: number;
  fence: number;
  /** Whether its trainer ran before it began. */
  adopted: boolean;
  /** Of the host whose outcome is that of the attempt. */
  part: PrimaryFailure;
  quarantined: Quarantined[];
  state: RunState;
  time: TimeSpent;
  /** Seconds since the epoch. */
  startedAt: number;
}

export async function summarizeAttempt(watched: WatchedAttempt): Promise<Attempt> {
  const { folder, plan, attempt, fence, adopted, part, quarantined, state, time, startedAt } = watched;
  const exit = 'exit' in part.outcome ? part.outcome.exit : null;
  const outcome = exit?.reason ?? 'crashed';
  const failed = outcome === 'crashed' || outcome === 'hung';
  const { trainer, progress } = state;
  const checkpoints = await listResumableIterations(folder, plan);
  return {
    attempt,
    fence,
    outcome,
    adopted,
    resumedFrom: trainer?.resumedFrom ?? null,
    fromIteration: trainer?.startIteration ?? null,
    toIteration: trainer === null ? null : progress.iteration,
    checkpointIteration: checkpoints[0] ?? null,
    fromEpoch: trainer?.startEpoch ?? null,
    epoch: trainer?.epoch ?? null,
    host: part.owner.host,
    checkpoints,
    quarantined,
    ...(failed ? await explainFailure(watched) : { cause: explainOutcome(part.outcome), failure: null }),
    logTail: failed ? await readLogTail(part.job, tailLines) : [],
    startedAt,
    firstStepAt: trainer?.firstStepAt ?? null,
    trainerEndedAt: exit?.endedAt ?? null,
    endedAt: Date.now() / 1000,
    ...time,
  };
}

/** An attempt whose trainer never ran: no space for the files that it reads, or its supervisor was killed at once. */
export async function summarizeFailedStart(
  failed: Pick<WatchedAttempt, 'folder' | 'plan' | 'attempt' | 'startedAt' | 'time'>,
  error: Error,
): Promise<Attempt> {
  const { folder, plan, attempt, startedAt, time } = failed;
  const checkpoints = await listResumableIterations(folder, plan);
  const lines = error instanceof SupervisorStartError ? error.lines : [];
  return {
    attempt,
    fence: null,
    outcome: 'crashed',
    adopted: false,
    resumedFrom: null,
    quarantined: [],
    checkpoints,
    fromIteration: null,
    toIteration: null,
    checkpointIteration: checkpoints[0] ?? null,
    fromEpoch: null,
    epoch: null,
    host: null,
    cause: `The trainer could not be started: ${error.message}`,
    failure: classifyFailedStart(error, lines),
    logTail: lines,
    startedAt,
    firstStepAt: null,
    trainerEndedAt: null,
    endedAt: Date.now() / 1000,
    ...time,
  };
}

async function explainFailure(watched: WatchedAttempt): Promise<{ cause: string; failure: Failure }> {
  const { part, python } = watched;
  const { job, owner, outcome } = part;
  const firstRank = 'exit' in outcome ? outcome.exit.rootCause?.rank : undefined;
  const lines = [await readAttemptLog(job, { ...owner, firstRank }), ...(await readOtherLogs(part))].flat();
  const { freeBytes } = await readDiskSpace(job.dir);
  const failure = classifyFailure({ lines, outcome, freeBytes });
  const kept = await saveLogTail(watched.folder.train, owner.fence, lines);
  const foreign = failure.reaction === 'accumulate-gradients' ? await listForeignGpuProcesses(python, owner.pid) : [];
  const others = foreign.length === 0 ? '' : ` Also on the GPU: ${foreign.join(', ')}.`;
  return { cause: `${explainOutcome(outcome) ?? ''}${others}\nLog: ${kept ?? job.log}`, failure };
}

/** Of the other hosts of the attempt, as what rank or host said it. */
const readOtherLogs = ({ others }: PrimaryFailure): Promise<string[][]> =>
  Promise.all(others.map(({ host, job, owner }) => readAttemptLog(job, { ...owner, host })));

/** Null where it ended as it should. */
export function explainOutcome(outcome: JobOutcome): string | null {
  if ('supervisorLost' in outcome) return `The trainer's supervisor (pid ${outcome.supervisorLost.pid}) was killed.`;
  const { exit } = outcome;
  switch (exit.reason) {
    case 'finished':
      return null;
    case 'preempted':
      return 'The trainer was told to stop (SIGTERM).';
    case 'hung':
    case 'crashed':
      return formatCrash(exit);
    default:
      return exit.reason satisfies never;
  }
}
