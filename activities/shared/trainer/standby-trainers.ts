import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { JobFolder } from '../../../configs/paths.ts';
import type { Device } from './trainer-argv.ts';
import { trainerModule } from './trainer-command.ts';
import type { PythonCommand } from './trainer-process.ts';

/** A standby takes about 0.5 GiB; the rest is a reserve for the ranks and the page cache. */
const neededBytes = 4 * 2 ** 30;
/** Time until a standby accepts an attempt. It compares the files of its imports, which may be on network storage. */
const answerMs = 5_000;
/** Time after a crash until an unused standby ends: the next attempt may wait for GPUs, or run elsewhere. */
const idleMs = 10 * 60_000;
/** Memory for the command lines and the variables that /proc shows (trainer/everswin_trainer/system/proc_strings.py). */
const [reservedArgument, reservedVariable] = ['-'.repeat(32_768), '-'.repeat(8_192)];

interface Standby {
  child: ChildProcessByStdio<Writable, Readable, null>;
  /** Lines that it has written. */
  answers: string[];
  idle?: NodeJS.Timeout;
}

export interface StandbyRequest {
  /** Arguments of the interpreter that start a supervisor. */
  argv: string[];
  env: Record<string, string>;
}

/** Trainer processes of this worker that have imported everything and wait for the next attempt of a job. */
export class StandbyTrainers {
  readonly #byJob = new Map<string, Standby>();

  /** Starts a standby for a job, unless it has one or memory is short. It ends with this process. */
  prepare(job: JobFolder, python: PythonCommand, device: Device, ranks: number): void {
    // One that has failed stays here, so that it is not started again and again.
    if (this.#byJob.has(job.dir) || process.availableMemory() < neededBytes) return;
    const options = ['--job-dir', job.dir, '--device', device, '--ranks', String(ranks)];
    const child = spawn(python.executable, ['-m', trainerModule, 'standby', ...options, '--', reservedArgument], {
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...python.env, EVERSWIN_WORKER_PID: String(process.pid), EVERSWIN_RESERVED: reservedVariable },
    });
    const standby: Standby = { child, answers: [] };
    // A standby that cannot start is never ready.
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    child.stdout.setEncoding('utf8').on('data', (text: string) => standby.answers.push(...text.trim().split('\n')));
    child.unref();
    // Pipes of children are sockets. A standby does not keep this process alive.
    for (const pipe of [child.stdin, child.stdout]) (pipe as Socket).unref();
    this.#byJob.set(job.dir, standby);
  }

  /** Returns whether the job has a standby that has imported everything. */
  isReady({ dir }: JobFolder): boolean {
    return this.#byJob.get(dir)?.answers.includes('ready') === true;
  }

  /** Lets the standby of a job become its supervisor. @returns undefined if there is none that can. */
  async take(job: JobFolder, request: StandbyRequest): Promise<Standby['child'] | undefined> {
    const isReady = this.isReady(job);
    const standby = this.#remove(job);
    if (standby === undefined || !isReady) return end(standby);
    const { child, answers } = standby;
    const isOver = AbortSignal.timeout(answerMs);
    child.stdin.end(`${JSON.stringify(request)}\n`);
    while (!answers.includes('taken')) {
      if (child.exitCode !== null || child.signalCode !== null || isOver.aborted) return end(standby);
      await Promise.race([once(child.stdout, 'data', { signal: isOver }), once(child, 'exit')]).catch(() => undefined);
    }
    return child;
  }

  /** Ends the standby of a job later, unless the next attempt takes it. */
  endWhenIdle(job: JobFolder): void {
    const standby = this.#byJob.get(job.dir);
    if (standby !== undefined) standby.idle = setTimeout(() => this.end(job), idleMs).unref();
  }

  end(job: JobFolder): void {
    end(this.#remove(job));
  }

  #remove({ dir }: JobFolder): Standby | undefined {
    const standby = this.#byJob.get(dir);
    this.#byJob.delete(dir);
    clearTimeout(standby?.idle);
    return standby;
  }
}

function end(standby: Standby | undefined): undefined {
  standby?.child.kill('SIGKILL');
}
