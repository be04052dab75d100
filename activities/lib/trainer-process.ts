import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobFolder } from '../../configs/paths.ts';
import { TrainerExit, TrainerOwner } from '../../configs/schema.ts';
import { CodedError } from './coded-error.ts';
import { readJson } from './json-file.ts';
import { isAlive, signalOwner } from './live-process.ts';
import { logTail } from './log-tail.ts';
import { superviseArgv, type StallSeconds } from './trainer-argv.ts';

/** How to start Python: the trainer's interpreter and all of its environment, nothing inherited from the worker. */
export interface PythonCommand {
  executable: string;
  env: Record<string, string>;
}

/** A supervised process tree that is running, started by us or found alive. */
export interface RunningJob {
  owner: TrainerOwner;
  adopted: boolean;
}

/** How a job ended: what its supervisor wrote, or that the supervisor itself was killed and could write nothing. */
export type JobEnding = { exit: TrainerExit } | { supervisorLost: TrainerOwner };

/** The job that already runs in this folder, if one lives. */
export async function findLiveJob(job: JobFolder): Promise<RunningJob | undefined> {
  const owner = await readJson(job.owner, TrainerOwner);
  if (owner === undefined || !(await isAlive(owner))) return undefined;
  if (!(await hasSaidItsLast(job, owner))) return { owner, adopted: true };
  // It wrote exit.json and is about to leave: who adopted it would take the old ending for a new one, who started a
  // trainer beside it would find the lock taken.
  while (await isAlive(owner)) await sleep(10);
  return undefined;
}

const hasSaidItsLast = async (job: JobFolder, owner: TrainerOwner): Promise<boolean> =>
  (await readJson(job.exit, TrainerExit))?.fence === owner.fence;

/**
 * Starts a supervisor that outlives this worker: own session, output to a file, never a pipe.
 * @throws CodedError TrainerMissing, TrainerLocked (another supervisor holds the job); FailedStart.
 */
export async function startJob(
  job: JobFolder,
  python: PythonCommand,
  program: string[],
  fence: number,
  stall: StallSeconds,
): Promise<RunningJob> {
  await mkdir(job.dir, { recursive: true });
  const log = openSync(job.log, 'a', 0o600);
  // Not execa: whoever waits for a child's streams ties it to itself, and this one must outlive us.
  const child = spawn(python.executable, superviseArgv(job, fence, stall, [python.executable, ...program]), {
    detached: true,
    stdio: ['ignore', log, log],
    env: python.env,
  });
  closeSync(log);
  child.unref();
  let failedStart: CodedError | undefined;
  child.once('error', (cause) => {
    failedStart = new CodedError('TrainerMissing', `Could not start ${python.executable}: ${cause.message}`, { cause });
  });
  for (;;) {
    const owner = await readJson(job.owner, TrainerOwner);
    if (owner?.fence === fence) return { owner, adopted: false };
    if (failedStart !== undefined) throw failedStart;
    if (child.exitCode !== null || child.signalCode !== null) throw await explainFailedStart(job, child);
    await sleep(50);
  }
}

/** Undefined while the job runs. */
export async function jobEnding(job: JobFolder, owner: TrainerOwner): Promise<JobEnding | undefined> {
  const alive = await isAlive(owner); // asked before exit.json is read: it is written before the supervisor dies
  const exit = await readJson(job.exit, TrainerExit);
  if (exit?.fence === owner.fence) return { exit };
  return alive ? undefined : { supervisorLost: owner };
}

/** Asks the supervisor to let the program save and to stop its whole tree; it ends by force itself when that takes too long. */
export const requestStop = (owner: TrainerOwner): Promise<void> => signalOwner(owner, 'SIGTERM');

/** The supervisor was gone before it could name itself: nothing was trained, and nobody wrote an exit.json. */
export class FailedStart extends CodedError {
  /** What the log said last. */
  readonly lines: string[];

  constructor(job: JobFolder, how: string, lines: string[]) {
    super('TrainerCommandFailed', `The supervisor in ${job.dir} ended with ${how} before it started.`);
    this.lines = lines;
  }
}

const lockedExitCode = 75;

async function explainFailedStart(job: JobFolder, { exitCode, signalCode }: ChildProcess): Promise<CodedError> {
  if (exitCode === lockedExitCode)
    return new CodedError('TrainerLocked', `Another trainer holds ${job.dir} (see its owner.json).`);
  return new FailedStart(job, signalCode ?? `code ${exitCode}`, await logTail(job, 20));
}
