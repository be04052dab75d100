import { setTimeout as sleep } from 'node:timers/promises';
import type { RunFolder } from '../../configs/paths.ts';
import type { TrainerEvent } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { ProgressReader } from '../shared/run/progress-reader.ts';
import type { ArtifactStore } from '../shared/store/artifact-store.ts';
import { CheckpointMirror, type CheckpointLag } from './checkpoint-mirror.ts';
import { FileMirror } from './file-mirror.ts';
import type { MirrorState } from './mirror-messages.ts';
import { RunPointerWriter } from './run-pointer-writer.ts';

interface MirrorRequest {
  store: ArtifactStore;
  folder: RunFolder;
  runId: string;
  /** Fence of the attempt that mirrors. */
  fence: number;
  /** Polling interval of the run folder. */
  pollMs: number;
}

export interface RunMirror {
  state: () => MirrorState;
  /** Uploads everything that is pending. Returns early if a newer attempt took over or `signal` is aborted. */
  flush: (signal: AbortSignal) => Promise<MirrorState>;
  /** Stops mirroring. The next mirror resumes partial uploads. */
  stop: () => Promise<void>;
}

const maxPauseMs = 60_000;

/**
 * Mirrors a run to the store while it trains: checkpoints, progress, plans and results. It only reads the run folder, so
 * errors of the store never affect the training.
 */
export function startMirror(request: MirrorRequest): RunMirror {
  return new BackgroundMirror(request);
}

class BackgroundMirror implements RunMirror {
  readonly #request: MirrorRequest;
  readonly #run: RunPointerWriter;
  readonly #files: FileMirror;
  readonly #checkpoints: CheckpointMirror;
  readonly #progress: ProgressReader;
  readonly #events: TrainerEvent[] = [];
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  #lag: CheckpointLag = { backlog: 0, newest: null, behindSince: null };
  #bytesSent = 0;
  #problem: string | null = null;
  #isStale = false;
  #isClaimed = false;
  /** The current pass; passes run one at a time. */
  #pass: Promise<void> = Promise.resolve();

  constructor(request: MirrorRequest) {
    const { store, folder, runId, fence } = request;
    this.#request = request;
    this.#run = new RunPointerWriter({ store, runId, fence, signal: this.#stopping.signal });
    this.#files = new FileMirror(store, folder, runId);
    this.#checkpoints = new CheckpointMirror(store, folder, runId, this.#run);
    this.#progress = new ProgressReader(folder.train.progress, { steps: 'none' });
    this.#loop = this.#runLoop();
  }

  state(): MirrorState {
    const { address } = this.#request.store;
    const { backlog, newest, behindSince } = this.#lag;
    const lagSeconds = behindSince === null ? 0 : Math.max(0, Date.now() / 1000 - behindSince);
    const state = { address, backlog, newest, lagSeconds, bytesSent: this.#bytesSent, problem: this.#problem };
    return { ...state, isSuperseded: this.#isStale && this.#run.isSuperseded };
  }

  async flush(signal: AbortSignal): Promise<MirrorState> {
    const until = AbortSignal.any([signal, this.#stopping.signal]);
    for (let failures = 0; !until.aborted && !this.#isStale; failures += 1) {
      await Promise.race([this.#next(true), waitForAbort(until)]);
      if (this.#problem === null && this.#lag.backlog === 0) break;
      if (this.#problem !== null) await this.#pause(failures, until);
    }
    return this.state();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#pass;
  }

  async #runLoop(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted && !this.#isStale;) {
      await this.#next(false);
      failures = this.#problem === null ? 0 : failures + 1;
      await this.#pause(failures, signal);
    }
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    const pauseMs = Math.min(maxPauseMs, this.#request.pollMs * 2 ** failures);
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }

  #next(everything: boolean): Promise<void> {
    this.#pass = this.#pass.then(() => this.#tryPass(everything));
    return this.#pass;
  }

  /** Runs one pass. Never throws; the state reports errors. */
  async #tryPass(everything: boolean): Promise<void> {
    const isStopped = () => this.#stopping.signal.aborted;
    if (this.#isStale || isStopped()) return;
    try {
      await this.#mirror(everything);
      this.#problem = null;
    } catch (error) {
      if (isStopped()) return;
      this.#problem = error instanceof Error ? error.message : String(error);
      this.#isStale = error instanceof CodedError && error.code === 'StaleAttempt';
    }
  }

  async #mirror(everything: boolean): Promise<void> {
    const { signal } = this.#stopping;
    const onBytes = (bytes: number) => (this.#bytesSent += bytes);
    if (!this.#isClaimed) await this.#run.claim();
    this.#isClaimed = true;
    await this.#progress.readNew((events) => {
      this.#events.push(...events.filter(({ type }) => type === 'validation' || type === 'started'));
    });
    const plan = await this.#inspectCheckpoints();
    // Progress goes before the pointer: an attempt that resumes from a checkpoint needs the progress up to it.
    await this.#files.send(everything || plan.queue.length > 0, { signal, onBytes });
    const [first] = plan.queue;
    if (first === undefined) return this.#checkpoints.prune(plan, signal);
    await this.#checkpoints.send(first, { signal, onBytes });
    // Plan again after each upload, because newer checkpoints may have replaced those in the queue.
    await this.#inspectCheckpoints();
    return this.#mirror(everything);
  }

  async #inspectCheckpoints() {
    const plan = await this.#checkpoints.plan(this.#events);
    const { backlog, newest, behindSince } = plan;
    this.#lag = { backlog, newest, behindSince };
    return plan;
  }
}

const waitForAbort = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
