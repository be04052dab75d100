import type { JobFolder } from '../../configs/paths.ts';
import type { Attempt, TrainerExit } from '../../configs/schema.ts';
import { logTail } from './log-tail.ts';
import type { RunState } from './run-state.ts';
import type { JobEnding, RunningJob } from './trainer-process.ts';

const tailLines = 20;

export interface WatchedAttempt {
  job: JobFolder;
  attempt: number;
  fence: number;
  running: RunningJob;
  state: RunState;
  ending: JobEnding;
  /** Seconds since the epoch. */
  startedAt: number;
}

export async function describeAttempt(watched: WatchedAttempt): Promise<Attempt> {
  const { job, attempt, fence, running, state, startedAt } = watched;
  const { ending, cause, endedAt } = explainEnding(job, watched.ending);
  return {
    attempt,
    fence,
    ending,
    adopted: running.adopted,
    resumedFrom: state.resumedFrom,
    fromIteration: state.startIteration,
    toIteration: state.progress.iteration,
    checkpointIteration: state.checkpointIteration,
    cause,
    logTail: ending === 'crashed' ? await logTail(job, tailLines) : [],
    startedAt,
    endedAt,
  };
}

function explainEnding(job: JobFolder, ending: JobEnding): Pick<Attempt, 'ending' | 'cause' | 'endedAt'> {
  if ('supervisorLost' in ending) {
    const cause = `The trainer's supervisor (pid ${ending.supervisorLost.pid}) was killed. Log: ${job.log}`;
    return { ending: 'crashed', cause, endedAt: Date.now() / 1000 };
  }
  const { exit } = ending;
  switch (exit.reason) {
    case 'finished':
      return { ending: 'finished', cause: null, endedAt: exit.endedAt };
    case 'preempted':
      return { ending: 'preempted', cause: 'The trainer was told to stop (SIGTERM).', endedAt: exit.endedAt };
    case 'crashed':
      return { ending: 'crashed', cause: `${describeCrash(exit)} Log: ${job.log}`, endedAt: exit.endedAt };
    default:
      return exit.reason satisfies never;
  }
}

/** The first rank that failed says more than the launcher, whose code is 1 whatever happened. */
export function describeCrash({ rootCause, code, signal }: TrainerExit): string {
  if (rootCause === null) return `The trainer ended with ${signal ?? `code ${code}`}.`;
  const how = rootCause.signal ?? `code ${rootCause.exitCode}`;
  return `Rank ${rootCause.rank ?? '?'} ended with ${how}: ${firstLines(rootCause.message)}`;
}

const firstLines = (text: string): string => text.trim().split('\n').slice(0, 3).join(' ').slice(0, 600);
