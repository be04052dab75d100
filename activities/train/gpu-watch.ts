import { appendFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { log } from '@temporalio/activity';
import { runFolder } from '../../configs/paths.ts';
import { gpuHealthSignalName } from '../../configs/names.ts';
import { trainingGpus } from '../../configs/schema/plan-hosts.ts';
import type {
  Attempt,
  AttemptGpus,
  GpuHealth,
  GpuProblem,
  TrainerEvent,
  TrainerExit,
} from '../../configs/schema/index.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';
import { signalWorkflow } from '../shared/temporal/signal-workflow.ts';
import { listGpuProblems, listUsable, readGpuHealth } from '../shared/trainer/gpu-health.ts';
import { hostTopology } from '../shared/trainer/host-topology.ts';
import { TooFewGpus } from '../shared/trainer/start-job.ts';
import { requestStop, type RunningJob } from '../shared/trainer/trainer-process.ts';
import type { TrainDependencies } from './dependencies.ts';
import { blameGpu, busesIn } from './failures/blame-gpu.ts';
import type { TrainingRequest } from './training-request.ts';

/** Throttling may come and go each minute, and each signal is an event of the history. */
const repeatSignalSeconds = 15 * 60;

/** Watches the health of the machine's GPUs during one attempt. */
export class GpuWatch {
  readonly #dependencies: TrainDependencies;
  readonly #request: TrainingRequest;
  /** GPUs that were unusable at some time of the attempt. */
  readonly #failed = new Set<string>();
  readonly #reported = new Set<string>();
  /** GPUs that the machine had at some time. */
  readonly #known: Set<string>;
  /** UUIDs by PCI bus ID, also of GPUs that were lost since. */
  readonly #uuidOfBus = new Map<string, string>();
  #latest: GpuHealth | undefined;
  #signaled = { state: '', at: 0 };
  #isStopRequested = false;

  constructor(dependencies: TrainDependencies, request: TrainingRequest) {
    this.#dependencies = dependencies;
    this.#request = request;
    this.#known = new Set(request.gpus?.known);
  }

  /**
   * Returns the GPUs that the next trainer must not lease.
   * @throws CodedError TooFewGpus if the others are too few and the run may still continue.
   */
  async findUnusable(signal: AbortSignal): Promise<string[]> {
    try {
      await this.#read(signal);
    } catch (error) {
      // The supervisor of a cancelled attempt reports the cancellation as its outcome.
      if (!signal.aborted) throw error;
    }
    if (this.#latest === undefined || this.#latest.gpus.length === 0) return this.#leftOut;
    const needed = trainingGpus(this.#request.plan, this.#request.control);
    const usable = listUsable(this.#latest).filter((uuid) => !this.#leftOut.includes(uuid)).length;
    // The supervisor refuses a machine that never had enough GPUs.
    if (usable < needed && this.mayContinue) throw tooFewGpus(usable, needed, listGpuProblems(this.#latest));
    return [
      ...this.#leftOut,
      ...this.#latest.gpus.filter(({ verdict }) => verdict === 'unusable').map(({ uuid }) => uuid),
    ];
  }

  /** Whether a run without enough GPUs may continue: on fewer, or once the GPUs that the machine had are usable again. */
  get mayContinue(): boolean {
    const { plan, control } = this.#request;
    if (this.#latest === undefined) return false;
    const had = Math.max(this.#latest.gpus.length, this.#known.size);
    return plan.recovery.fewerGpus || had >= trainingGpus(plan, control);
  }

  /** Runs work that follows a trainer, and reads the health of the GPUs each minute. */
  async during<T>({ owner }: RunningJob, work: () => Promise<T>): Promise<T> {
    const end = new AbortController();
    for (const uuid of owner.gpus) this.#known.add(uuid);
    const watching = this.#watch(owner.gpus, end.signal);
    try {
      return await work();
    } finally {
      end.abort();
      await watching;
    }
  }

  /** Ends a training on fewer GPUs after an epoch, once the missing ones are usable and no other run wants them. */
  async onEvents(events: readonly TrainerEvent[], { owner }: RunningJob): Promise<void> {
    const { plan, control } = this.#request;
    const isEpochOver = events.some((event) => event.type === 'validation' && event.epoch < control.epochs);
    if (this.#isStopRequested || this.#latest === undefined || !isEpochOver) return;
    const free = this.#free(this.#latest).filter((uuid) => !this.#leftOut.includes(uuid));
    const trainsOnFewer = owner.gpus.length > 0 && owner.gpus.length < plan.gpus;
    if (!trainsOnFewer || free.length < plan.gpus) return;
    this.#isStopRequested = true;
    log.info(`${plan.runId}: ${free.length} GPUs are free again; the trainer saves and restarts on ${plan.gpus}`);
    await requestStop(owner);
  }

  /**
   * Returns the state of the GPUs at the end of the attempt. Only a failure is worth another reading, which delays the next
   * attempt.
   */
  async summarize(
    leased: string[],
    failure: Attempt['failure'],
    exit: TrainerExit | null,
  ): Promise<AttemptGpus | undefined> {
    if (failure !== null) await this.#read(new AbortController().signal);
    if (this.#latest === undefined) return undefined;
    const unusable = leased.filter((uuid) => this.#failed.has(uuid));
    const blamed = blameGpu(failure, exit, leased, this.#uuidOfBus, unusable);
    // A driver that does not answer says nothing about the GPUs, unless one of them caused the failure.
    if (this.#latest.gpus.length === 0 && blamed === undefined) return undefined;
    const failed = new Set([...unusable, ...(blamed === undefined ? [] : [blamed])]);
    const problems = listGpuProblems(this.#latest);
    return { leased, usable: listUsable(this.#latest), free: this.#free(this.#latest), failed: [...failed], problems };
  }

  /** Newest reading; undefined before the first one, and on a machine without GPUs. */
  get latest(): GpuHealth | undefined {
    return this.#latest;
  }

  get #leftOut(): string[] {
    return this.#request.gpus?.leftOut ?? [];
  }

  /** Lists the GPUs that this run may take; none while other runs wait, which come first. */
  #free({ gpus, waiting }: GpuHealth): string[] {
    if (waiting.length > 0) return [];
    return gpus.filter(({ verdict, heldBy }) => verdict !== 'unusable' && heldBy === null).map(({ uuid }) => uuid);
  }

  async #watch(leased: readonly string[], signal: AbortSignal): Promise<void> {
    const { healthSeconds } = this.#dependencies.gpus;
    try {
      for (;;) {
        const startedAt = performance.now();
        const health = await this.#read(signal, leased, healthSeconds);
        if (health === undefined) return;
        await this.#publish(health, leased);
        if (performance.now() - startedAt >= healthSeconds * 1000) continue;
        // A reading ends early without a GPU to watch, and after an error, which may be the first of many.
        const isIdle = leased.length === 0 || health.problem !== null;
        await sleep(healthSeconds * (isIdle ? 1000 : 100), undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted) log.warn('the health of the GPUs is no longer watched', { error });
    }
  }

  /** Writes the GPUs of the run for its page. */
  async #publish(health: GpuHealth, leased: readonly string[]): Promise<void> {
    const path = runFolder(this.#dependencies.home, this.#request.plan.runId).gpus;
    const own = { ...health, gpus: health.gpus.filter(({ uuid }) => leased.includes(uuid)) };
    await writeFileAtomic(path, JSON.stringify(own)).catch((error: unknown) => {
      log.warn(`could not write ${path}`, { error });
    });
  }

  async #read(signal: AbortSignal, watched: readonly string[] = [], watchSeconds = 0): Promise<GpuHealth | undefined> {
    const { slurm } = this.#dependencies;
    // Other schedulers and other hosts have GPUs that this machine cannot read.
    if (slurm !== undefined || hostTopology(this.#request.plan) !== undefined) return undefined;
    const { dir: job } = runFolder(this.#dependencies.home, this.#request.plan.runId).train;
    const request = { job, known: [...this.#known], watched, watchSeconds };
    const health = await readGpuHealth(this.#dependencies, request, signal);
    this.#latest = health;
    if (health === undefined) return undefined;
    for (const { uuid, index, verdict, facts } of health.gpus) {
      for (const bus of busesIn(facts.bus ?? '')) this.#uuidOfBus.set(bus, uuid);
      if (index !== null && verdict !== 'unusable') this.#known.add(uuid);
      if (verdict === 'unusable') this.#failed.add(uuid);
    }
    await this.#report(listGpuProblems(health));
    return health;
  }

  /** Reports problems to the workflow and to the run folder: new ones at once, changes of known ones less often. */
  async #report(problems: GpuProblem[]): Promise<void> {
    const keys = problems.flatMap(({ uuid, verdict, kinds }) => kinds.map((kind) => `${uuid} ${verdict} ${kind}`));
    const state = keys.join('\n');
    const isNew = keys.some((key) => !this.#reported.has(key));
    const isDue = state !== this.#signaled.state && performance.now() / 1000 - this.#signaled.at > repeatSignalSeconds;
    // An earlier attempt may have reported problems that are solved.
    const isSolved = this.#signaled.at === 0 && this.#request.gpus !== undefined && this.#request.attempt > 1;
    if (!isNew && !isDue && !isSolved) return;
    for (const key of keys) this.#reported.add(key);
    this.#signaled = { state, at: performance.now() / 1000 };
    const { gpuHealth } = runFolder(this.#dependencies.home, this.#request.plan.runId);
    const change = JSON.stringify({ v: 1, at: Date.now() / 1000, problems });
    await appendFile(gpuHealth, `${change}\n`).catch((error: unknown) => {
      log.warn(`could not write ${gpuHealth}`, { error });
    });
    // A server that is down delays neither the watch nor the end of the attempt.
    void signalWorkflow(gpuHealthSignalName, problems);
  }
}

function tooFewGpus(usable: number, needed: number, problems: readonly GpuProblem[]): TooFewGpus {
  const unusable = problems.filter(({ verdict }) => verdict === 'unusable').map(({ uuid, why }) => `${uuid}: ${why}`);
  return new TooFewGpus([`${usable} of the ${needed} GPUs that the run needs are usable`, ...unusable].join('; '));
}
