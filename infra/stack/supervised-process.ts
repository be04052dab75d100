import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { copyFile, stat, truncate } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { inheritedEnv } from '../../workers/env.ts';

export interface ProcessSpec {
  name: string;
  executable: string;
  argv: string[];
  /** Variables to add to the environment of this process. */
  env: Record<string, string>;
  /** Variables of this process that the child does not inherit. */
  unsetEnv?: readonly string[];
  logFile: string;
  /** Time between SIGTERM and SIGKILL. */
  graceMs: number;
}

/** An unexpected exit of a process, and the time until its restart. */
export interface Restart {
  name: string;
  /** Pid of the process that exited. */
  pid: number;
  /** Signal, exit code, or the error of the spawn. */
  reason: string;
  restartedAfterSeconds: number;
}

/** A log that is longer becomes `<log>.1`, and its file starts again. */
const longestLogBytes = 32 * 1024 * 1024;
const logCheckMs = 60_000;
const healthyAfterMs = 10_000;
const maxPauseMs = 10_000;

/** A child process that is restarted whenever it exits, until `stop` is called. */
export class SupervisedProcess {
  private child: ChildProcess;
  private readonly stopping = new AbortController();
  private readonly spec: ProcessSpec;
  private readonly loop: Promise<void>;
  private readonly logChecks: NodeJS.Timeout;

  constructor(spec: ProcessSpec, onRestart: (restart: Restart) => void) {
    this.spec = spec;
    this.child = launch(spec);
    this.loop = this.restartUntilStopped(onRestart);
    const check = () => limitLog(spec.logFile, longestLogBytes).catch((error: unknown) => console.error(error));
    this.logChecks = setInterval(() => void check(), logCheckMs).unref();
  }

  get name(): string {
    return this.spec.name;
  }

  /** Pid of the running process; undefined between an exit and the restart. */
  get pid(): number | undefined {
    return this.child.exitCode === null && this.child.signalCode === null ? this.child.pid : undefined;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.child.kill('SIGTERM');
    const force = setTimeout(() => this.child.kill('SIGKILL'), this.spec.graceMs);
    await this.loop;
    clearTimeout(force);
    clearInterval(this.logChecks);
  }

  private async restartUntilStopped(onRestart: (restart: Restart) => void): Promise<void> {
    const { signal } = this.stopping;
    const isStopping = () => signal.aborted;
    let pauseMs = 0;
    for (;;) {
      const startedAt = performance.now();
      const { pid } = this.child;
      const reason = await waitForExit(this.child);
      if (isStopping()) return;
      const exitedAt = performance.now();
      // The first restart is immediate; the pause grows while the process keeps failing early.
      pauseMs = exitedAt - startedAt > healthyAfterMs ? 0 : Math.min(maxPauseMs, pauseMs * 2 + 250);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (isStopping()) return;
      this.child = launch(this.spec);
      const restartedAfterSeconds = (performance.now() - exitedAt) / 1000;
      onRestart({ name: this.spec.name, pid: pid ?? 0, reason, restartedAfterSeconds });
    }
  }
}

/** Starts the process in its own process group: Ctrl-C in the terminal signals only us, and we stop it in order. */
function launch({ executable, argv, env, unsetEnv = [], logFile }: ProcessSpec): ChildProcess {
  const output = openSync(logFile, 'a', 0o600);
  const child = spawn(executable, argv, {
    env: { ...inheritedEnv(unsetEnv), ...env },
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return child;
}

const waitForExit = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });

/** Keeps at most two files of this length. Writers append to the open file, so it is emptied rather than renamed. */
export async function limitLog(file: string, longestBytes: number): Promise<void> {
  if ((await stat(file)).size <= longestBytes) return;
  await copyFile(file, `${file}.1`);
  await truncate(file);
}
