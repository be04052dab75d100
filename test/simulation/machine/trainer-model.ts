/**
 * Model of the trainer: its supervisor and one process for all ranks. It follows docs/reference/trainer-contract.md, so that the
 * real activities start, adopt, watch and stop it.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { jobFolder, type JobFolder } from '../../../configs/paths.ts';
import type { CheckpointManifest, TrainerControl, TrainerEvent, TrainerExit } from '../../../configs/schema/index.ts';
import { aMetricsFile } from './sample-metrics.ts';
import { appendFile, mkdir, open, readFile, readdir, rename, rm, writeFile } from '../node/fs-promises.ts';
import type { SimulatedProcess } from './process.ts';

/** Something that a trainer did and that the oracles check. */
export type TrainerObservation =
  | {
      type: 'ranks started';
      job: string;
      process: SimulatedProcess;
      fence: number;
      iteration: number;
      resumedFrom: string | null;
      /** UUIDs of the leased GPUs. */
      gpus: readonly string[];
    }
  | { type: 'damaged checkpoint refused'; job: string; file: string; fence: number }
  | { type: 'step'; job: string; process: SimulatedProcess; iteration: number }
  | {
      type: 'checkpoint acknowledged';
      job: string;
      process: SimulatedProcess;
      file: string;
      iteration: number;
      sha256: string;
      isFinal: boolean;
    };

/** Numbers of a simulated training. */
export interface TrainingShape {
  stepsPerEpoch: number;
  stepMs: number;
  startupMs: number;
  /** Time from the start of a supervisor to its lock. */
  supervisorMs: number;
  /** Steps between two checkpoints within an epoch. */
  checkpointEvery: number;
  /** Time that the write of a checkpoint takes. */
  saveMs: number;
  /** Time from the exit record of a supervisor to its end. */
  exitMs: number;
  keepLast: number;
}

/** How ranks fail: the log line that names the cause, and the exit code or signal. */
export interface RankFailure {
  line: string;
  exitCode: number;
}

/** What the trainer asks of the world around it. */
export interface TrainerWorld {
  shape: TrainingShape;
  observe: (observation: TrainerObservation) => void;
  /** Returns the failure that strikes these ranks at this step, if any. */
  failureAt: (job: string) => RankFailure | 'hang' | undefined;
}

/** Arguments of `supervise`, as trainer-argv.ts builds them. */
interface SuperviseArguments {
  job: JobFolder;
  fence: number;
  parentPid: number | undefined;
  gpuFolder: string | undefined;
  gpuCount: number;
  withoutGpus: string[];
  stallMs: number;
  program: string[];
}

/** Hash of the weights that miniWeights names. */
const untrainedSha256 = 'd'.repeat(64);
const pollMs = 500;
const [lockedExitCode, tooFewGpusExitCode] = [75, 69];
const stopGraceMs = 45_000;
/** Time that torchrun gives its ranks to save. */
const launcherGraceMs = 30_000;

function parseSuperviseArguments(argv: readonly string[]): SuperviseArguments {
  const separator = argv.indexOf('--');
  const value = (option: string) => {
    const place = argv.indexOf(option);
    return place < 0 || place > separator ? undefined : argv[place + 1];
  };
  const parentPid = value('--parent-pid');
  const stall = argv.find((argument) => argument.startsWith('step='));
  return {
    job: jobFolder(value('--job-dir') ?? ''),
    fence: Number(value('--fence')),
    parentPid: parentPid === undefined ? undefined : Number(parentPid),
    gpuFolder: value('--gpu-folder'),
    gpuCount: Number(value('--gpus') ?? 1),
    withoutGpus: argv.includes('--without-gpus') ? argv.slice(argv.indexOf('--without-gpus') + 1, separator) : [],
    stallMs: Number(stall?.slice('step='.length) ?? 60) * 1000,
    program: argv.slice(separator + 1),
  };
}

/** Runs the supervisor of a job until it exits. An error of a system call ends it, as in Python. */
export async function supervise(self: SimulatedProcess, argv: readonly string[], world: TrainerWorld): Promise<void> {
  try {
    await runSupervisor(self, argv, world);
  } catch (error) {
    self.host.trace(`supervisor ${self.pid}: ${String(error)}`);
    self.exit(1);
  }
}

async function runSupervisor(self: SimulatedProcess, argv: readonly string[], world: TrainerWorld): Promise<void> {
  const { job, fence, parentPid, gpuFolder, gpuCount, withoutGpus, stallMs, program } = parseSuperviseArguments(argv);
  const stop = { isRequested: false, forward: (): void => undefined };
  self.onSignal = () => {
    stop.isRequested = true;
    stop.forward();
  };
  const { host } = self;
  await self.sleep(world.shape.supervisorMs);
  await mkdir(job.dir, { recursive: true });
  if (!host.tryLock(`${job.dir}/lock#supervisor`, self)) return self.exit(lockedExitCode);
  if ((await newestFence(job)) > fence) return self.exit(lockedExitCode);
  for (const survivor of host.holders(`${job.dir}/lock`)) survivor.signal('SIGKILL');
  host.shareLock(`${job.dir}/lock`, self);

  let leased: string[] = [];
  if (gpuFolder !== undefined) {
    const wait = {
      v: 1,
      fence,
      gpus: 1,
      since: seconds(self),
      position: 1,
      ahead: [],
      holders: [],
      foreign: [],
      hosts: [],
    };
    // On the CPU, one job runs at a time.
    const listGpus = () => (host.gpus.length === 0 ? ['cpu'] : host.gpus);
    const needed = host.gpus.length === 0 ? 1 : gpuCount;
    for (let isReported = false; !stop.isRequested;) {
      const usable = listGpus().filter((uuid) => !host.lostGpus.has(uuid) && !withoutGpus.includes(uuid));
      if (usable.length < needed) {
        const message = `${usable.length} of ${needed} GPUs are there`;
        await appendFile(job.log, `${JSON.stringify({ message })}\n`);
        return self.exit(tooFewGpusExitCode);
      }
      const free = usable.filter((uuid) => host.canLock(`${gpuFolder}/${uuid}`, self)).slice(0, needed);
      if (free.length === needed) {
        leased = free;
        for (const uuid of leased) host.shareLock(`${gpuFolder}/${uuid}`, self);
        break;
      }
      host.waitingForGpus.add(self);
      if (!isReported) await writeAtomic(`${job.dir}/waiting.json`, JSON.stringify(wait));
      isReported = true;
      await self.sleep(pollMs);
      if (parentPid !== undefined && !host.processes.has(parentPid)) return self.exit(lockedExitCode);
    }
    host.waitingForGpus.delete(self);
    await rm(job.waiting, { force: true });
  }
  const gpus = leased.filter((uuid) => host.gpus.includes(uuid));
  for (const stale of [job.exit, `${job.dir}/stop`]) await rm(stale, { force: true });
  const startedAt = seconds(self);
  const logOffset = (await readText(job.log)).length;
  const owner = {
    v: 1,
    pid: self.pid,
    startTicks: self.startTicks,
    host: host.name,
    attempt: fence,
    fence,
    logOffset,
    gpus,
    startedAt,
  };
  await writeAtomic(job.owner, JSON.stringify(owner));

  let ended: Pick<TrainerExit, 'code' | 'signal' | 'reason' | 'rootCause'> = {
    code: 143,
    signal: null,
    reason: 'preempted',
    rootCause: null,
  };
  if (!stop.isRequested) {
    const ranks = host.start({ name: 'ranks', environment: { EVERSWIN_JOB: job.dir } });
    const status = {
      lastBeat: self.clock.now,
      limitMs: stallMs,
      outcome: 'crashed' as 'finished' | 'preempted' | 'crashed',
      message: '',
      failedRank: 0,
    };
    host.shareLock(`${job.dir}/lock`, ranks);
    for (const uuid of leased) host.shareLock(`${gpuFolder}/${uuid}`, ranks);
    ranks.run(() => void runRanks(ranks, { job, fence, program, gpus }, world, status));
    self.onExit(() => {
      // The kernel tells torchrun, which asks the ranks to save and then kills them.
      ranks.signal('SIGTERM');
      self.clock.schedule(launcherGraceMs, () => ranks.signal('SIGKILL'));
    });
    const hasEnded = new Promise<void>((resolve) => ranks.onExit(() => self.run(resolve)));
    stop.forward = () => {
      void writeFile(`${job.dir}/stop`, '').catch(() => undefined);
      ranks.signal('SIGTERM');
      self.later(stopGraceMs, () => ranks.signal('SIGKILL'));
    };
    const watch = { isHung: false };
    const watchdog = () => {
      if (!ranks.alive) return;
      if (self.clock.now - status.lastBeat > status.limitMs) {
        watch.isHung = true;
        ranks.signal('SIGKILL');
      } else self.later(5_000, watchdog);
    };
    self.later(5_000, watchdog);
    await hasEnded;
    const message = status.message === '' ? 'It recorded no exception.' : status.message;
    const cause = {
      rank: status.failedRank,
      pid: ranks.pid,
      exitCode: ranks.exitCode,
      signal: ranks.signalCode,
      message,
      at: seconds(self),
    };
    const isCrash = watch.isHung || ranks.signalCode !== null || status.outcome === 'crashed';
    ended = {
      code: ranks.exitCode,
      signal: ranks.signalCode,
      reason: watch.isHung ? 'hung' : isCrash ? 'crashed' : status.outcome,
      rootCause: isCrash ? cause : null,
    };
  }
  const exit: TrainerExit = {
    v: 1,
    attempt: fence,
    fence,
    ...ended,
    stopRequested: stop.isRequested,
    startedAt,
    endedAt: seconds(self),
  };
  await withBallast(self, () => writeAtomic(job.exit, JSON.stringify(exit)));
  await self.sleep(world.shape.exitMs);
  self.exit(ended.reason === 'finished' ? 0 : ended.reason === 'preempted' ? 143 : 1);
}

interface RankJob {
  job: JobFolder;
  fence: number;
  program: string[];
  gpus: readonly string[];
}

interface RankStatus {
  lastBeat: number;
  limitMs: number;
  outcome: 'finished' | 'preempted' | 'crashed';
  message: string;
  /** The rank that failed first. */
  failedRank: number;
}

/** Runs all ranks of a training or a test until they end. An error is a crash, as in Python. */
async function runRanks(
  self: SimulatedProcess,
  { job, fence, program, gpus }: RankJob,
  world: TrainerWorld,
  status: RankStatus,
): Promise<void> {
  try {
    const option = (name: string) => program[program.indexOf(name) + 1] ?? '';
    if (program.includes('test'))
      await test(self, job, fence, option(program.includes('--weights') ? '--weights' : '--checkpoint'));
    else {
      const resume = program.includes('--resume') ? option('--resume') : undefined;
      const training = new Training(self, { job, fence, program, gpus }, world, status);
      status.outcome = await training.run(option('--plan'), resume);
      return self.exit(status.outcome === 'finished' ? 0 : 143);
    }
    status.outcome = 'finished';
    self.exit(0);
  } catch (error) {
    status.message = error instanceof Error ? error.message : String(error);
    await withBallast(self, () => appendFile(job.log, `[rank${status.failedRank}]: ${status.message}\n`)).catch(
      () => undefined,
    );
    self.exit(1);
  }
}

/** State of a training: the iteration, and a value that depends on every step that led to it. */
interface Weights {
  iteration: number;
  state: number;
}

/** Returns the weights after the next step. */
const trainStep = ({ iteration, state }: Weights): Weights => ({
  iteration: iteration + 1,
  state: Math.imul(state ^ (iteration + 1), 0x9e3779b1) >>> 0,
});

/** Returns the weights of an undisturbed training after so many iterations. */
export function undisturbedWeights(iterations: number): Weights {
  let weights = { iteration: 0, state: 1 };
  while (weights.iteration < iterations) weights = trainStep(weights);
  return weights;
}

class Training {
  private readonly self: SimulatedProcess;
  private readonly job: JobFolder;
  private readonly fence: number;
  private readonly gpus: readonly string[];
  private readonly world: TrainerWorld;
  private readonly status: RankStatus;
  private weights: Weights = { iteration: 0, state: 1 };
  private planHash = '';
  private isStopRequested = false;
  private served = 0;

  constructor(self: SimulatedProcess, { job, fence, gpus }: RankJob, world: TrainerWorld, status: RankStatus) {
    this.self = self;
    this.job = job;
    this.fence = fence;
    this.gpus = gpus;
    this.world = world;
    this.status = status;
    self.onSignal = () => (this.isStopRequested = true);
  }

  async run(planPath: string, resume: string | undefined): Promise<'finished' | 'preempted'> {
    const { self, job, fence, world } = this;
    const { stepsPerEpoch, stepMs, startupMs, checkpointEvery } = world.shape;
    await self.sleep(startupMs);
    this.planHash = (JSON.parse(await readText(planPath)) as { planHash: string }).planHash;
    await mkdir(job.checkpoints, { recursive: true });
    if (resume !== undefined) this.weights = await this.load(resume);
    for (const event of await readEvents(job))
      if (event.type === 'checkpoint') this.served = Math.max(this.served, event.checkpointNow);
    let control = await this.readControl();
    const resumedFrom = resume === undefined ? null : basename(resume);
    await this.append({
      type: 'started',
      fence,
      epoch: this.epoch,
      iteration: this.weights.iteration,
      iterationsPerEpoch: stepsPerEpoch,
      epochs: control.epochs,
      worldSize: Math.max(1, this.gpus.length),
      device: this.gpus.length === 0 ? 'cpu' : 'cuda',
      resumedFrom,
      pids: [self.pid],
      versions: {},
    });
    world.observe({
      type: 'ranks started',
      job: job.dir,
      process: self,
      fence,
      iteration: this.weights.iteration,
      resumedFrom,
      gpus: this.gpus,
    });
    while (this.epoch < control.epochs) {
      await self.sleep(stepMs);
      const lost = this.gpus.findIndex((uuid) => self.host.lostGpus.has(uuid));
      if (lost >= 0) {
        this.status.failedRank = lost;
        throw new Error('RuntimeError: GPU is lost');
      }
      const failure = world.failureAt(job.dir);
      if (failure === 'hang') await new Promise(() => undefined);
      else if (failure !== undefined) throw new Error(failure.line);
      this.weights = trainStep(this.weights);
      this.status.lastBeat = self.clock.now;
      const { iteration } = this.weights;
      world.observe({ type: 'step', job: job.dir, process: self, iteration });
      const isEpochEnd = iteration % stepsPerEpoch === 0;
      if (isEpochEnd || iteration % checkpointEvery === 0) await this.appendStep();
      control = await this.readControl();
      if (
        isEpochEnd ||
        iteration % checkpointEvery === 0 ||
        control.checkpointNow > this.served ||
        this.isStopRequested
      )
        await this.save(control.checkpointNow, isEpochEnd && this.epoch >= control.epochs);
      if (isEpochEnd) await this.validate();
      if (isEpochEnd && this.epoch >= control.epochs) break;
      if (this.isStopRequested) {
        await this.append({ type: 'ended', reason: 'preempted', epoch: this.epoch, iteration });
        return 'preempted';
      }
    }
    await this.append({ type: 'ended', reason: 'finished', epoch: this.epoch, iteration: this.weights.iteration });
    return 'finished';
  }

  /** Complete epochs. */
  private get epoch(): number {
    return Math.floor(this.weights.iteration / this.world.shape.stepsPerEpoch);
  }

  private async load(path: string): Promise<Weights> {
    const text = await readText(path);
    const manifest = JSON.parse(await readText(path.replace(/\.pth$/, '.json'))) as CheckpointManifest;
    if (sha256(text) !== manifest.sha256) {
      const { job, fence } = this;
      this.world.observe({ type: 'damaged checkpoint refused', job: job.dir, file: basename(path), fence });
      throw new Error(`ValueError: ${path} is damaged: its bytes are not those of its manifest`);
    }
    return JSON.parse(text) as Weights;
  }

  private async save(checkpointNow: number, isFinal: boolean): Promise<void> {
    const { job, fence, weights, epoch, planHash, self } = this;
    const { iteration } = weights;
    const name = `e${String(epoch).padStart(3, '0')}-i${String(iteration).padStart(6, '0')}`;
    const text = JSON.stringify(weights);
    const file = `${name}.pth`;
    const hash = sha256(text);
    const isSaved = (await readText(`${job.checkpoints}/${name}.json`).catch(() => '')).includes(hash);
    if (!isSaved) {
      await self.sleep(this.world.shape.saveMs);
      await writeAtomic(`${job.checkpoints}/${file}`, text);
      const manifest: CheckpointManifest = {
        v: 1,
        file,
        bytes: text.length,
        sha256: hash,
        epoch,
        iteration,
        planHash,
        attempt: fence,
        fence,
        createdAt: seconds(self),
        torch: null,
      };
      await writeAtomic(`${job.checkpoints}/${name}.json`, JSON.stringify(manifest));
    }
    this.served = Math.max(this.served, checkpointNow);
    await this.append({
      type: 'checkpoint',
      file,
      epoch,
      iteration,
      bytes: text.length,
      sha256: hash,
      seconds: 0.1,
      blockedSeconds: 0,
      checkpointNow,
    });
    this.world.observe({
      type: 'checkpoint acknowledged',
      job: job.dir,
      process: self,
      file,
      iteration,
      sha256: hash,
      isFinal,
    });
    await this.prune();
  }

  private async prune(): Promise<void> {
    const { checkpoints } = this.job;
    const names = (await readdir(checkpoints)).map(String).filter((name) => name.endsWith('.json'));
    const byAge = names.sort((a, b) => iterationOf(b) - iterationOf(a));
    for (const name of byAge.slice(this.world.shape.keepLast)) {
      await rm(`${checkpoints}/${name}`, { force: true });
      await rm(`${checkpoints}/${name.replace(/\.json$/, '.pth')}`, { force: true });
    }
  }

  private async validate(): Promise<void> {
    const { iteration } = this.weights;
    const AP = Math.min(0.5, 0.01 * this.epoch);
    const scores = { AP, AP50: AP, AP75: AP, APs: AP, APm: AP, APl: AP };
    await this.append({ type: 'validation', epoch: this.epoch, iteration, bbox: scores, segm: scores, seconds: 1 });
  }

  private async readControl(): Promise<Pick<TrainerControl, 'epochs' | 'checkpointNow'>> {
    return JSON.parse(await readText(this.job.control)) as TrainerControl;
  }

  private appendStep(): Promise<void> {
    const { iteration } = this.weights;
    const { stepMs } = this.world.shape;
    return this.append({
      type: 'step',
      epoch: this.epoch + 1,
      iteration,
      loss: 1,
      losses: {},
      lr: 0.1,
      stepSeconds: stepMs / 1000,
      dataSeconds: null,
      etaSeconds: 1,
      memoryMb: null,
    });
  }

  private append(event: EventFields<TrainerEvent>): Promise<void> {
    const line = { v: 1, t: seconds(this.self), attempt: this.fence, ...event };
    return appendFile(this.job.progress, `${JSON.stringify(line)}\n`);
  }
}

type EventFields<T> = T extends TrainerEvent ? Omit<T, 'v' | 't' | 'attempt'> : never;

async function test(self: SimulatedProcess, job: JobFolder, fence: number, checkpoint: string): Promise<void> {
  await self.sleep(1_000);
  // Weights of an evaluation are not on the simulated disk.
  const hash = checkpoint.endsWith('.pth') ? sha256(await readText(checkpoint)) : untrainedSha256;
  const tested = { v: 1, t: seconds(self), attempt: fence, type: 'tested', done: 24, total: 24 };
  await appendFile(job.progress, `${JSON.stringify(tested)}\n`);
  await writeAtomic(`${job.dir}/metrics.json`, JSON.stringify(aMetricsFile(basename(checkpoint), hash)));
}

async function newestFence(job: JobFolder): Promise<number> {
  const names = await readdir(job.fences).catch(() => []);
  return Math.max(0, ...names.map(Number).filter(Number.isInteger));
}

async function readEvents(job: JobFolder): Promise<TrainerEvent[]> {
  const lines = (await readText(job.progress)).split('\n').filter((line) => line.endsWith('}'));
  return lines.map((line) => JSON.parse(line) as TrainerEvent);
}

async function writeAtomic(path: string, text: string): Promise<void> {
  const part = `${path}.part`;
  await writeFile(part, text);
  const file = await open(part);
  await file.sync();
  await rename(part, path);
}

/** Reads a text file; empty if it is missing. */
async function readText(path: string): Promise<string> {
  try {
    return String(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

/** Writes although the disk is full, as the supervisor does when it deletes its ballast first. */
async function withBallast(self: SimulatedProcess, write: () => Promise<void>): Promise<void> {
  const { disk } = self.host;
  disk.ballastWrites++;
  try {
    await write();
  } finally {
    disk.ballastWrites--;
  }
}

const iterationOf = (name: string): number => Number(/-i(\d+)/.exec(name)?.[1] ?? 0);
const seconds = (self: SimulatedProcess): number => self.clock.now / 1000;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
