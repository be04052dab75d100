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
import type { StandbyRequest } from './standby-trainers.ts';
import { superviseArgv, type GpuRequest, type StallSeconds } from './trainer-argv.ts';
import { findLiveJob, type PythonCommand, type RunningJob } from './trainer-process.ts';

const pollMs = 50;
/** EX_TEMPFAIL and EX_UNAVAILABLE of sysexits.h. */
const [lockedExitCode, tooFewGpusExitCode] = [75, 69];
/** Exceeds the time in which a supervisor that waits for GPUs notices the death of its worker. */
const lockTimeoutMs = 5_000;

interface JobStart {
  job: JobFolder;
  python: PythonCommand;
  /** Arguments for the Python interpreter. */
  program: string[];
  /** Command that starts the program, such as srun; by default the supervisor starts it. */
  launcher?: string[];
  fence: number;
  stall: StallSeconds;
  /** Undefined if another scheduler, such as Slurm, allocates the GPUs. */
  gpus: GpuRequest | undefined;
  /** Jobs of all hosts, in the order in which they lease GPUs, and the folder of the run. */
  hostGroup?: { run: string; jobs: string[] } | undefined;
  /** Lets a process that has imported the trainer become the supervisor, if one is ready. */
  takeStandby?: ((request: StandbyRequest) => Promise<ChildProcess | undefined>) | undefined;
}

export interface GpuWaitListener {
  /** Ends the wait; it does not stop a program that already runs. */
  signal: AbortSignal;
  /** Called on each change of the wait, and with null once the job has its GPUs. */
  onWait: (wait: GpuWait | null) => void;
}

/**
 * Starts a supervisor that outlives this worker: it has its own session and writes to a file, never to a pipe. While it
 * waits for GPUs it depends on this worker; once it has them, it writes owner.json.
 * @returns also after the signal has ended the wait; the outcome of that job is "preempted".
 * @throws CodedError TrainerMissing, TrainerLocked (another supervisor holds the job), TrainingFailed (the machine has
 * too few GPUs), StaleAttempt; SupervisorStartError.
 */
export async function startJob(start: JobStart, gpuWait: GpuWaitListener): Promise<RunningJob> {
  await mkdir(start.job.dir, { recursive: true });
  const startedAt = performance.now();
  for (;;) {
    await assertFence(start.job, start.fence); // the supervisor refuses a superseded fence in the same way as a lock
    const child = await launch(start);
    const owner = await waitForOwner(start, child, gpuWait);
    if (owner !== undefined) return { owner, adopted: false };
    const live = await findLiveJob(start.job);
    // Without an owner, the lock belongs to a supervisor that waited for a dead worker and is about to exit.
    if (live !== undefined || performance.now() - startedAt > lockTimeoutMs)
      throw new CodedError('TrainerLocked', `Another trainer holds the lock of ${start.job.dir} (see owner.json).`);
    await sleep(5 * pollMs);
  }
}

async function launch(start: JobStart): Promise<ChildProcess> {
  const { job, python, program, launcher = [], fence, stall, gpus, hostGroup, takeStandby } = start;
  const request = gpus && { ...gpus, parentPid: process.pid };
  const argv = superviseArgv(job, fence, stall, [...launcher, python.executable, ...program], request, hostGroup);
  const standby = await takeStandby?.({ argv, env: python.env });
  if (standby !== undefined) return standby;
  const log = openSync(job.log, 'a', 0o600);
  // Not execa, which waits for the child's streams: the supervisor must outlive this process.
  const child = spawn(python.executable, argv, { detached: true, stdio: ['ignore', log, log], env: python.env });
  closeSync(log);
  child.unref();
  return child;
}

/** Waits until the supervisor writes owner.json. @returns undefined if another supervisor holds the job's lock. */
async function waitForOwner(
  { job, python, fence }: JobStart,
  child: ChildProcess,
  { signal, onWait }: GpuWaitListener,
): Promise<TrainerOwner | undefined> {
  let spawnError: CodedError | undefined;
  child.once('error', (cause) => {
    spawnError = new CodedError('TrainerMissing', `Could not start ${python.executable}: ${cause.message}`, { cause });
  });
  let reported: string | undefined;
  try {
    for (;;) {
      const owner = await readJson(job.owner, TrainerOwner);
      if (owner?.fence === fence) return owner;
      if (spawnError !== undefined) throw spawnError;
      if (child.exitCode !== null || child.signalCode !== null) return await throwStartError(job, child);
      const wait = await readJson(job.waiting, GpuWait);
      if (wait?.fence === fence) {
        if (JSON.stringify(wait) !== reported) onWait(wait);
        reported = JSON.stringify(wait);
        if (signal.aborted) child.kill('SIGTERM');
        await assertFence(job, fence);
      }
      await sleep(pollMs);
    }
  } catch (error) {
    child.kill('SIGTERM');
    throw error;
  } finally {
    if (reported !== undefined) onWait(null);
  }
}

/** The supervisor ended before it wrote owner.json: no step was trained, and there is no exit.json. */
export class SupervisorStartError extends CodedError {
  /** Last lines of the log. */
  readonly lines: string[];

  constructor(job: JobFolder, how: string, lines: string[]) {
    super('TrainerCommandFailed', `The supervisor of ${job.dir} ended with ${how} before it started the trainer.`);
    this.lines = lines;
  }
}

/** This machine has fewer usable GPUs than the job needs. */
export class TooFewGpus extends CodedError {
  constructor(message: string) {
    super('TrainingFailed', message);
  }
}

const ErrorLine = z.string().transform((line) => z.object({ message: z.string() }).parse(JSON.parse(line)).message);

async function throwStartError(job: JobFolder, { exitCode, signalCode }: ChildProcess): Promise<undefined> {
  if (exitCode === lockedExitCode) return undefined;
  const lines = await readLogTail(job, 20);
  if (exitCode === tooFewGpusExitCode)
    throw new TooFewGpus(`Not enough GPUs on this machine: ${ErrorLine.parse(lines.at(-1))}.`);
  throw new SupervisorStartError(job, signalCode ?? `code ${exitCode}`, lines);
}
