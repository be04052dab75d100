import type { JobFolder, RunFolder } from '../../../configs/paths.ts';
import type { Attempt, Failure, Quarantined, RunPlan } from '../../../configs/schema.ts';
import { keepLogEnd, readAttemptLog } from './attempt-log.ts';
import { listIterations } from '../checkpoints/checkpoints.ts';
import { classifyFailedStart, classifyFailure } from './classify-failure.ts';
import { describeCrash } from './describe-crash.ts';
import { listForeignGpuProcesses } from '../trainer/foreign-gpu-processes.ts';
import { readDiskSpace } from '../files/free-space.ts';
import { logTail } from '../files/log-tail.ts';
import type { RunState } from '../course/run-state.ts';
import { FailedStart } from '../trainer/start-job.ts';
import type { JobEnding, PythonCommand, RunningJob } from '../trainer/trainer-process.ts';
import type { TimeSpent } from '../course/training-time.ts';

const tailLines = 20;

export interface WatchedAttempt {
  folder: RunFolder;
  plan: RunPlan;
  python: PythonCommand;
  attempt: number;
  fence: number;
  running: RunningJob;
  quarantined: Quarantined[];
  state: RunState;
  time: TimeSpent;
  ending: JobEnding;
  /** Seconds since the epoch. */
  startedAt: number;
}

export async function describeAttempt(watched: WatchedAttempt): Promise<Attempt> {
  const { folder, plan, attempt, fence, running, quarantined, state, time, startedAt } = watched;
  const job = folder.train;
  const exit = 'exit' in watched.ending ? watched.ending.exit : null;
  const ending = exit?.reason ?? 'crashed';
  const failed = ending === 'crashed' || ending === 'hung';
  const { trainer, progress } = state;
  const checkpoints = await listIterations(folder, plan);
  return {
    attempt,
    fence,
    ending,
    adopted: running.adopted,
    resumedFrom: trainer?.resumedFrom ?? null,
    fromIteration: trainer?.startIteration ?? null,
    toIteration: trainer === null ? null : progress.iteration,
    checkpointIteration: checkpoints[0] ?? null,
    epoch: trainer?.epoch ?? null,
    checkpoints,
    quarantined,
    ...(failed ? await explainFailure(watched) : { cause: explainEnding(watched.ending), failure: null }),
    logTail: failed ? await logTail(job, tailLines) : [],
    startedAt,
    firstStepAt: trainer?.firstStepAt ?? null,
    trainerEndedAt: exit?.endedAt ?? null,
    endedAt: Date.now() / 1000,
    ...time,
  };
}

/** An attempt whose trainer never ran: no space for the files that it reads, or its supervisor was killed at once. */
export async function describeFailedStart(
  failed: Pick<WatchedAttempt, 'folder' | 'plan' | 'attempt' | 'startedAt' | 'time'>,
  error: Error,
): Promise<Attempt> {
  const { folder, plan, attempt, startedAt, time } = failed;
  const checkpoints = await listIterations(folder, plan);
  const lines = error instanceof FailedStart ? error.lines : [];
  return {
    ...{ attempt, fence: null, ending: 'crashed', adopted: false, resumedFrom: null, quarantined: [], checkpoints },
    ...{ fromIteration: null, toIteration: null, checkpointIteration: checkpoints[0] ?? null, epoch: null },
    ...{ cause: `The trainer could not be started: ${error.message}`, failure: classifyFailedStart(error, lines) },
    ...{ logTail: lines, startedAt, firstStepAt: null, trainerEndedAt: null, endedAt: Date.now() / 1000, ...time },
  };
}

async function explainFailure(watched: WatchedAttempt): Promise<{ cause: string; failure: Failure }> {
  const { folder, running, ending, python } = watched;
  const job: JobFolder = folder.train;
  const { logOffset, fence } = running.owner;
  const firstRank = 'exit' in ending ? ending.exit.rootCause?.rank : undefined;
  const lines = await readAttemptLog(job, { logOffset, fence, firstRank });
  const { freeBytes } = await readDiskSpace(job.dir);
  const failure = classifyFailure({ lines, ending, freeBytes });
  const kept = await keepLogEnd(job, fence, lines);
  const foreign = failure.reaction === 'lighter-batch' ? await listForeignGpuProcesses(python, running.owner.pid) : [];
  const others = foreign.length === 0 ? '' : ` Also on the GPU: ${foreign.join(', ')}.`;
  return { cause: `${explainEnding(ending) ?? ''}${others}\nLog: ${kept ?? job.log}`, failure };
}

function explainEnding(ending: JobEnding): string | null {
  if ('supervisorLost' in ending) return `The trainer's supervisor (pid ${ending.supervisorLost.pid}) was killed.`;
  const { exit } = ending;
  switch (exit.reason) {
    case 'finished':
      return null;
    case 'preempted':
      return 'The trainer was told to stop (SIGTERM).';
    case 'hung':
    case 'crashed':
      return describeCrash(exit);
    default:
      return exit.reason satisfies never;
  }
}
