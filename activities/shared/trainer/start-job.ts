import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { JobFolder } from '../../../configs/paths.ts';
import { GpuWait, TrainerOwner } from '../../../configs/schema/index.ts';
import { CodedError } from '../errors/coded-error.ts';
import { assertFence } from '../run/fence.ts';
import { readJson } from '../files/json-file.ts';
import { readLogTail } from '../files/log-tail.ts';
import { superviseArgv, type GpuRequest, type StallSeconds } from './trainer-argv.ts';
import { findLiveJob, type PythonCommand, type RunningJob } from './trainer-process.ts';

const pollMs = 50;
/** EX_TEMPFAIL and EX_UNAVAILABLE of sysexits.h. */
const [lockedExitCode, neverEnoughExitCode] = [75, 69];
/** Longer than a supervisor that waits for GPUs takes to see that its worker died. */
const lockTimeoutMs = 5_000;

export interface JobStart {
  job: JobFolder;
  python: PythonCommand;
  /** Arguments of Python. */
  program: string[];
  /** What starts it, where not the supervisor itself. */
  launcher?: string[];
  fence: number;
  stall: StallSeconds;
  /** Undefined where somebody else shares out GPUs. */
  gpus: GpuRequest | undefined;
  /** The jobs of all hosts, in the order in which they take GPUs, and where their ranks work together. */
  hostGroup?: { run: string; jobs: string[] } | undefined;
}

export interface GpuWaitListener {
  /** Ends the waiting; a program that runs already is not touched by it. */
  signal: AbortSignal;
  /** Called whenever something about the waiting has changed; with null when there are GPUs. */
  onWait: (wait: GpuWait | null) => void;
}

/**
 * Starts a supervisor that outlives this worker: own session, output to a file, never a pipe. It waits until it has its
 * GPUs; only then does it name itself as owner, and only so long does it depend on us.
 * @returns also when the waiting was ended by the signal: then the job has ended as preempted.
 * @throws CodedError TrainerMissing, TrainerLocked (another supervisor holds the job), TrainingFailed (never enough
 * GPUs), StaleAttempt; FailedStart.
 */
export async function startJob(start: JobStart, waiting: GpuWaitListener): Promise<RunningJob> {
  await mkdir(start.job.dir, { recursive: true });
  const begin = performance.now();
  for (;;) {
    const child = launch(start);
    const owner = await waitForOwner(start, child, waiting);
    if (owner !== undefined) return { owner, adopted: false };
    const live = await findLiveJob(start.job);
    // Nobody to name: one that waited for a dead worker, and leaves in a moment.
    if (live !== undefined || performance.now() - begin > lockTimeoutMs)
      throw new CodedError('TrainerLocked', `Another trainer holds ${start.job.dir} (see its owner.json).`);
    await sleep(5 * pollMs);
  }
}

function launch({ job, python, program, launcher = [], fence, stall, gpus, hostGroup: together }: JobStart): ChildProcess {
  const log = openSync(job.log, 'a', 0o600);
  const wish = gpus && { ...gpus, asker: process.pid };
  const argv = superviseArgv(job, fence, stall, [...launcher, python.executable, ...program], wish, together);
  // Not execa: whoever waits for a child's streams ties it to itself, and this one must outlive us.
  const child = spawn(python.executable, argv, { detached: true, stdio: ['ignore', log, log], env: python.env });
  closeSync(log);
  child.unref();
  return child;
}

/** Undefined when the job's lock is taken. */
async function waitForOwner(
  { job, python, fence }: JobStart,
  child: ChildProcess,
  { signal, onWait }: GpuWaitListener,
): Promise<TrainerOwner | undefined> {
  let failedStart: CodedError | undefined;
  child.once('error', (cause) => {
    failedStart = new CodedError('TrainerMissing', `Could not start ${python.executable}: ${cause.message}`, { cause });
  });
  let said: string | undefined;
  try {
    for (;;) {
      const owner = await readJson(job.owner, TrainerOwner);
      if (owner?.fence === fence) return owner;
      if (failedStart !== undefined) throw failedStart;
      if (child.exitCode !== null || child.signalCode !== null) return await throwStartError(job, child);
      const wait = await readJson(job.waiting, GpuWait);
      if (wait?.fence === fence) {
        if (JSON.stringify(wait) !== said) onWait(wait);
        said = JSON.stringify(wait);
        if (signal.aborted) child.kill('SIGTERM');
        await assertFence(job, fence);
      }
      await sleep(pollMs);
    }
  } catch (error) {
    child.kill('SIGTERM');
    throw error;
  } finally {
    if (said !== undefined) onWait(null);
  }
}

/** The supervisor was gone before it could name itself: nothing was trained, and nobody wrote an exit.json. */
export class SupervisorStartError extends CodedError {
  /** What the log said last. */
  readonly lines: string[];

  constructor(job: JobFolder, how: string, lines: string[]) {
    super('TrainerCommandFailed', `The supervisor in ${job.dir} ended with ${how} before it started.`);
    this.lines = lines;
  }
}

const Refusal = z.string().transform((line) => z.object({ message: z.string() }).parse(JSON.parse(line)).message);

async function throwStartError(job: JobFolder, { exitCode, signalCode }: ChildProcess): Promise<undefined> {
  if (exitCode === lockedExitCode) return undefined;
  const lines = await readLogTail(job, 20);
  if (exitCode === neverEnoughExitCode)
    throw new CodedError('TrainingFailed', `There will never be enough GPUs here: ${Refusal.parse(lines.at(-1))}.`);
  throw new SupervisorStartError(job, signalCode ?? `code ${exitCode}`, lines);
}
