import { fork, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { MirrorReport, type MirrorConfig, type MirrorState, type MirrorCommand } from './mirror-messages.ts';
import type { RunMirror } from './run-mirror.ts';

const entry = fileURLToPath(new URL('mirror-child.mjs', import.meta.url));
/** From being told to stop to being killed: both leave nothing that the next mirror could not go on with. */
const stopGraceMs = 5_000;
const maxPauseMs = 60_000;

/**
 * The mirror of a run in a process of its own, which the kernel runs when the trainer leaves something of a core: it hashes
 * and sends gigabytes. One that dies is started again for as long as it is wanted.
 *
 * Not a thread: sessions may share the CPU equally whatever the niceness of their threads is, and the trainer has its own.
 */
export class MirrorProcess implements RunMirror {
  readonly #order: MirrorConfig;
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  /** By id, what to do when it is flushed. A new process is asked anew. */
  readonly #flushes = new Map<number, () => void>();
  #flushesSoFar = 0;
  #child: ChildProcess | undefined;
  #state: MirrorState;

  constructor(order: MirrorConfig) {
    const { address } = order;
    this.#order = order;
    this.#state = {
      address,
      backlog: 0,
      newest: null,
      lagSeconds: 0,
      bytesSent: 0,
      problem: null,
      isSuperseded: false,
    };
    this.#loop = this.#mirrorForEver();
  }

  /** Of the process that mirrors now. */
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

  async #mirrorForEver(): Promise<void> {
    const { signal } = this.#stopping;
    const isStopping = () => signal.aborted;
    for (let deaths = 1; ; deaths += 1) {
      const startedAt = performance.now();
      const how = await this.#runChild();
      if (isStopping()) return;
      if (performance.now() - startedAt > maxPauseMs) deaths = 1;
      const pauseMs = Math.min(maxPauseMs, this.#order.everyMs * 2 ** (deaths - 1));
      const next = `another one starts in ${(pauseMs / 1000).toFixed(1)} s`;
      this.#state = { ...this.#state, problem: `The process that mirrors the run ended with ${how}; ${next}.` };
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (isStopping()) return;
    }
  }

  /** Never throws. @returns how it ended. */
  async #runChild(): Promise<string> {
    try {
      // In a session of its own, whose share of the CPU it lowers. It ends when the channel to this process closes.
      const child = fork(entry, [], { detached: true, execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      this.#child = child;
      // Who mirrors keeps nobody from exiting.
      child.unref();
      child.channel?.unref();
      child.on('message', (message) => this.#hear(message));
      send(child, { type: 'start', order: this.#order });
      for (const id of this.#flushes.keys()) send(child, { type: 'flush', id });
      return await waitForExit(child);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #hear(message: unknown): void {
    const { data: said } = MirrorReport.safeParse(message);
    if (said === undefined) return;
    this.#state = said.state;
    if (said.type === 'flushed') this.#flushes.get(said.id)?.();
  }
}

/** One that is dying does not hear it; what follows from its death is decided where that is noticed. */
function send(child: ChildProcess | undefined, message: MirrorCommand): void {
  child?.send(message, () => undefined);
}

const waitForExit = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
  });
