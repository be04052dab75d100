import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawn, type ChildProcess } from 'node:child_process';

export interface ProcessSpec {
  name: string;
  executable: string;
  argv: string[];
  /** Added to this process's own environment by `env`, which needs no reading of ours. */
  env: Record<string, string>;
  /** Of ours, what it does not get. */
  unsetEnv?: readonly string[];
  logFile: string;
  /** From SIGTERM to SIGKILL. */
  graceMs: number;
}

/** How a process of the stack died though nobody asked it to, and how soon another one ran. */
export interface Restart {
  name: string;
  pid: number;
  reason: string;
  restartedAfterSeconds: number;
}

const healthyAfterMs = 10_000;
const longestPauseMs = 10_000;

/** One process that is started again whenever it dies, until it is told to stop. */
export class SupervisedProcess {
  private child: ChildProcess;
  private readonly stopping = new AbortController();
  private readonly spec: ProcessSpec;
  private readonly loop: Promise<void>;

  constructor(spec: ProcessSpec, onDeath: (death: Restart) => void) {
    this.spec = spec;
    this.child = launch(spec);
    this.loop = this.restartForEver(onDeath);
  }

  get name(): string {
    return this.spec.name;
  }

  /** Undefined between a death and the restart. */
  get pid(): number | undefined {
    return this.child.exitCode === null && this.child.signalCode === null ? this.child.pid : undefined;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.child.kill('SIGTERM');
    const force = setTimeout(() => this.child.kill('SIGKILL'), this.spec.graceMs);
    await this.loop;
    clearTimeout(force);
  }

  private async restartForEver(onDeath: (death: Restart) => void): Promise<void> {
    const { signal } = this.stopping;
    const isStopping = () => signal.aborted;
    let pauseMs = 0;
    for (;;) {
      const startedAt = performance.now();
      const { pid } = this.child;
      const how = await waitForEnd(this.child);
      if (isStopping()) return;
      const diedAt = performance.now();
      // At once the first time; a process that keeps dying young is given longer and longer pauses.
      pauseMs = diedAt - startedAt > healthyAfterMs ? 0 : Math.min(longestPauseMs, pauseMs * 2 + 250);
      await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      if (isStopping()) return;
      this.child = launch(this.spec);
      onDeath({
        name: this.spec.name,
        pid: pid ?? 0,
        reason: how,
        restartedAfterSeconds: (performance.now() - diedAt) / 1000,
      });
    }
  }
}

/** In a process group of its own, so that the terminal's Ctrl-C reaches only us and we stop things in order. */
function launch({ executable, argv, env, unsetEnv: withheld = [], logFile: log }: ProcessSpec): ChildProcess {
  const output = openSync(log, 'a', 0o600);
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const without = withheld.map((name) => `--unset=${name}`);
  const child = spawn('env', [...without, ...settings, executable, ...argv], {
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return child;
}

const waitForEnd = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
  });
