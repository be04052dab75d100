import { fork, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { MirrorReport, type MirrorConfig, type MirrorState, type MirrorCommand } from './mirror-messages.ts';
import type { RunMirror } from './run-mirror.ts';

const entry = fileURLToPath(new URL('mirror-child.mjs', import.meta.url));
/** Grace period between stop and SIGKILL; the next mirror can continue after either. */
const stopGraceMs = 5_000;
const maxPauseMs = 60_000;

/**
 * Runs the mirror in a child process at the lowest CPU priority, because it hashes and uploads gigabytes while the trainer
 * runs. A child that dies is restarted until `stop`.
 *
 * A thread is not enough: with autogroup scheduling, sessions share the CPU equally, regardless of the nice values of
 * their threads. The child has its own session and lowers the share of that session.
 */
export class MirrorProcess implements RunMirror {
  readonly #config: MirrorConfig;
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  /** Callbacks of pending flushes, by id. A restarted child receives them again. */
  readonly #flushes = new Map<number, () => void>();
  #flushesSoFar = 0;
  #child: ChildProcess | undefined;
  #state: MirrorState;

  constructor(config: MirrorConfig) {
    const { address } = config;
    this.#config = config;
    this.#state = {
      address,
      backlog: 0,
      newest: null,
      lagSeconds: 0,
      bytesSent: 0,
      problem: null,
      isSuperseded: false,
    };
    this.#loop = this.#keepRunning();
  }

  /** Pid of the current child. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  state(): MirrorState {
    return this.#state;
  }

  flush(signal: AbortSignal): Promise<MirrorState> {
    const id = (this.#flushesSoFar += 1);
    const until = AbortSignal.any([signal, this.#stopping.signal]);
    return new Promise((resolve) => {
      const finish = () => {
        this.#flushes.delete(id);
        until.removeEventListener('abort', finish);
        resolve(this.#state);
      };
      this.#flushes.set(id, finish);
      until.addEventListener('abort', finish);
      if (until.aborted) finish();
      else send(this.#child, { type: 'flush', id });
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    send(this.#child, { type: 'stop' });
    const force = setTimeout(() => this.#child?.kill('SIGKILL'), stopGraceMs);
    await this.#loop;
    clearTimeout(force);
  }

  async #keepRunning(): Promise<void> {
    const { signal } = this.#stopping;
    const isStopping = () => signal.aborted;
    for (let deaths = 1; ; deaths += 1) {
      const startedAt = performance.now();
      const reason = await this.#runChild();
      if (isStopping()) return;
      if (performance.now() - startedAt > maxPauseMs) deaths = 1;
      const pauseMs = Math.min(maxPauseMs, this.#config.pollMs * 2 ** (deaths - 1));
      const next = `it restarts in ${(pauseMs / 1000).toFixed(1)} s`;
      this.#state = { ...this.#state, problem: `The mirror process ended with ${reason}; ${next}.` };
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (isStopping()) return;
    }
  }

  /** Runs the child until it ends. Never throws. @returns how it ended. */
  async #runChild(): Promise<string> {
    try {
      // The child ends when the IPC channel closes.
      const child = fork(entry, [], { detached: true, execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      this.#child = child;
      // The mirror must not keep the worker from exiting.
      child.unref();
      child.channel?.unref();
      child.on('message', (message) => this.#handleReport(message));
      send(child, { type: 'start', config: this.#config });
      for (const id of this.#flushes.keys()) send(child, { type: 'flush', id });
      return await waitForExit(child);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #handleReport(message: unknown): void {
    const { data: report } = MirrorReport.safeParse(message);
    if (report === undefined) return;
    this.#state = report.state;
    if (report.type === 'flushed') this.#flushes.get(report.id)?.();
  }
}

/** Sends a command. A failure is ignored, because the exit of the child is handled separately. */
function send(child: ChildProcess | undefined, message: MirrorCommand): void {
  child?.send(message, () => undefined);
}

const waitForExit = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
  });
