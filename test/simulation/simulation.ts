/** One simulated world: a machine, a Temporal server, workers, users and faults, under a virtual clock. */
import { jobFolder, runFolder } from '../../configs/paths.ts';
import { modelKeys, workflowTypes } from '../../configs/names.ts';
import { FenceHolderFile, type FenceHolder } from '../../activities/shared/run/fence.ts';
import { reportLostWatchers } from '../../activities/train/report-lost-watchers.ts';
import { stopAbandonedJobs } from '../../activities/train/stop-abandoned.ts';
import { localStore } from '../../activities/shared/store/local-store.ts';
import { killOrphans } from '../../activities/train/kill-orphans.ts';
import type { TrainingRequest } from '../../activities/train/training-request.ts';
import { RunInput, RunStatus } from '../../configs/schema/index.ts';
import { mirrorKeys, RunPointer } from '../../configs/schema/run-pointer.ts';
import { Random } from '../chaos/random.ts';
import { createControlActivities, createGpuActivities, home, store, type StubBehavior } from './activities.ts';
import { Clock } from './clock.ts';
import { Counts } from './counts.ts';
import { Faults } from './faults.ts';
import { Disk, type FileNode } from './machine/disk.ts';
import { Host } from './machine/host.ts';
import type { SimulatedProcess } from './machine/process.ts';
import type { TrainerObservation } from './machine/trainer-model.ts';
import { Oracles, type OracleName, type Violation } from './oracles.ts';
import { hasFault, lastMomentMs, type Milestone, type Place, type Scenario, type ScheduledEvent } from './scenario.ts';
import { ActivityWorker } from './temporal/activity-worker.ts';
import { createClient } from './temporal/client.ts';
import { ControlWorker } from './temporal/control-worker.ts';
import type { Execution } from './temporal/execution.ts';
import { fromPayload } from './temporal/payload.ts';
import { SimulatedServer, typeOf } from './temporal/server.ts';
import { Trace } from './trace.ts';
import { Workload } from './workload.ts';
import type { WorkflowVm } from './workflow-vm.ts';

export interface SimulationResult {
  seed: string;
  violation: Violation | undefined;
  traceHash: string;
  trace: string[];
  /** Events of the virtual clock. */
  events: number;
  virtualSeconds: number;
  /** Status of each workflow run. */
  endings: string[];
  /** Counts by name of what happened. */
  counts: Record<string, number>;
}

/** A checkpoint on the simulated disk. */
interface SavedCheckpoint {
  job: string;
  file: string;
  checkpoint: FileNode;
  manifest: FileNode;
}

type WorkerName = 'gpu-worker' | 'control-worker';

const usualDownMs = 1_000;
/** All faults are over this long after the last one began. */
const healMs = 70_000;
/** After the last fault, every workflow ends within this time, or it waits for a person. */
const progressMs = 3_600_000;
/** Trainers have ended this long after their workflow. */
const leftoverMs = 90_000;
/** Time between two sweeps of a GPU worker, as in workers/gpu.ts. */
const abandonedEveryMs = 30_000;
/** More events than this mean that something runs in circles. */
const mostEvents = 200_000;

export class Simulation {
  readonly scenario: Scenario;
  readonly clock = new Clock();
  readonly random: Random;
  readonly trace: Trace;
  readonly oracles: Oracles;
  readonly counts = new Counts();
  readonly faults: Faults;
  readonly server: SimulatedServer;
  readonly host: Host;
  /** Machine to which a run may move. */
  private readonly secondHost: Host;
  /** Time from which the first machine reaches everything again, after a run has moved. */
  private returnedAt = Infinity;
  private readonly vm: WorkflowVm;
  private readonly stubs: StubBehavior;
  private readonly downMs = new Map<Place, number>();
  private readonly controlWorkers: ControlWorker[] = [];
  private readonly workload: Workload;
  private readonly milestones = new Map<Milestone, number>();
  /** Time after which no event of the scenario begins. */
  private lastMoment = Infinity;
  private healedAt = Infinity;
  private closedAt = 0;
  /** Whether control workers start in the build before the patches. */
  private runsOldBuild: boolean;
  /** A run that the old build ended may show defects that were corrected since. */
  private isEndedByOldBuild = false;

  constructor(vm: WorkflowVm, scenario: Scenario, onLine?: (line: string) => void) {
    this.vm = vm;
    this.scenario = scenario;
    this.random = new Random(`${scenario.seed} world`);
    this.trace = new Trace(() => this.clock.now, onLine);
    this.oracles = new Oracles(scenario);
    this.runsOldBuild = hasFault(scenario, 'upgrade');
    this.faults = new Faults(this);
    const violate = (oracle: string, text: string) => this.oracles.violate(oracle as OracleName, text);
    this.server = new SimulatedServer({
      clock: this.clock,
      random: this.random,
      trace: this.trace.add,
      violate,
      onClosed: (execution) => this.closed(execution),
      onStatus: (execution, status) => this.checkStatus(execution, status),
      onTimeout: () => this.reached('timeout'),
      pass: (message, payload, workflowId) => this.faults.pass(message, payload, workflowId),
    });
    this.stubs = {
      dataVersion: () => this.workload.dataVersion,
      random: this.random,
      failureRate: scenario.stubFailureRate,
      longestMs: scenario.stubLongestMs,
      device: scenario.gpus === 0 ? 'cpu' : 'cuda',
      onRegistryChanged: this.onRegistryChanged,
    };
    this.host = this.createHost('machine', 1_000);
    this.secondHost = this.createHost('second-machine', 500_000);
    if (hasFault(scenario, 'move')) {
      const remote = new Disk(() => this.clock.now);
      remote.makeFolder('/store', true);
      for (const { disk } of this.hosts) disk.mount(store, remote.folder('/store', 'mount'));
    }
    this.workload = new Workload(this, scenario);
  }

  get disk(): Disk {
    return this.host.disk;
  }

  private get hosts(): Host[] {
    return [this.host, this.secondHost];
  }

  private createHost(name: string, firstPid: number): Host {
    const { clock, scenario } = this;
    const disk = new Disk(() => clock.now);
    disk.makeFolder(`${home}/runs`, true);
    const observe = (observation: TrainerObservation) => this.observe(observation, name);
    const trainers = { shape: scenario.shape, observe, failureAt: () => this.faults.takeRankFailure() };
    return new Host(name, {
      clock,
      disk,
      faults: this.faults,
      trace: this.trace.add,
      firstPid,
      gpus: scenario.gpus,
      trainers,
    });
  }

  private observe(observed: TrainerObservation, hostName: string): void {
    const observation = { ...observed, job: this.jobOn(hostName, observed.job) };
    if ('iteration' in observation && observation.type !== 'step')
      this.trace.add(`trainer on ${hostName}: ${observation.type} ${observation.iteration}`);
    this.oracles.observe(observation);
    if (observation.type === 'damaged checkpoint refused') this.checkDamagedResume(observation);
    if (observation.type === 'ranks started') this.ranksStarted(observation, hostName);
    if (observation.type === 'checkpoint acknowledged')
      this.reached(observation.isFinal ? 'last checkpoint' : 'checkpoint');
  }

  /** Names a job for the oracles: each machine has its own folder of a run. */
  private jobOn(hostName: string, job: string): string {
    return hostName === this.host.name ? job : `${hostName}:${job}`;
  }

  private ranksStarted({ process }: TrainerObservation & { type: 'ranks started' }, hostName: string): void {
    this.reached('ranks started');
    if (hostName === this.host.name) return;
    this.counts.add('moved: ranks started on the second machine');
    const superseded = [...this.host.processes.values()].filter(({ name }) => name === 'ranks');
    const startedAt = this.clock.now;
    const check = () => {
      if (!process.alive || superseded.length === 0) return;
      this.oracles.checkMoved(superseded, this.clock.now - Math.max(startedAt, this.returnedAt));
      this.clock.schedule(10_000, check);
    };
    check();
  }

  /** Runs until everything has ended, or an oracle is violated. */
  async run(): Promise<SimulationResult> {
    const { clock, scenario, server, oracles } = this;
    const startedAt = clock.now;
    const lastEvent = Math.max(0, ...scenario.events.map(({ atMs, after }) => (after ? lastMomentMs : atMs)));
    this.lastMoment = startedAt + lastEvent;
    this.healedAt = this.lastMoment + healMs;
    for (const event of scenario.events) if (event.after === undefined) this.schedule(event);
    clock.schedule(lastEvent + healMs, () => this.heal());
    this.startWorker('control-worker', this.host);
    this.startWorker('gpu-worker', this.host);
    this.workload.begin();
    let events = 0;
    for (; oracles.violation === undefined && !this.isOver(); events++) {
      const action = clock.next();
      if (action === undefined) break;
      action();
      // Lets all code that the event has woken run until it waits again.
      do await new Promise((resolve) => setImmediate(resolve));
      while (server.activating > 0);
      if (clock.now > this.healedAt + progressMs) this.reportNoProgress();
      if (events > mostEvents) oracles.violate('progress', `more than ${mostEvents} events`);
    }
    for (const worker of this.controlWorkers) await worker.evictAll();
    return {
      seed: scenario.seed,
      violation: oracles.violation,
      traceHash: this.trace.digest(),
      trace: this.trace.lines,
      events,
      virtualSeconds: (clock.now - startedAt) / 1000,
      endings: server.executions.map(({ workflowType, status }) => `${workflowType} ${status}`),
      counts: this.counts.toObject(),
    };
  }

  private schedule(event: ScheduledEvent): void {
    this.clock.schedule(event.atMs, () => {
      if (this.clock.now > this.lastMoment) return;
      if ('fault' in event) return this.faults.inject(event.fault);
      this.counts.add(`request: ${event.action.kind}`);
      this.workload.request(event.action);
    });
  }

  /** A run has reached a milestone. Schedules what the scenario plans after it. */
  private reached(milestone: Milestone): void {
    const count = (this.milestones.get(milestone) ?? 0) + 1;
    this.milestones.set(milestone, count);
    for (const event of this.scenario.events)
      if (event.after?.milestone === milestone && event.after.count === count) this.schedule(event);
  }

  find(place: Place): SimulatedProcess | undefined {
    return this.host.find(place) ?? this.secondHost.find(place);
  }

  /** Sets how long the next restart of a worker takes. Other processes are not restarted. */
  setDownTime(place: Place, downMs: number): void {
    this.downMs.set(place, downMs);
  }

  stopWorker(place: WorkerName): void {
    this.find(place)?.signal('SIGTERM');
  }

  /** Replaces the control worker by one of the present build. */
  upgrade(downMs: number): void {
    this.runsOldBuild = false;
    this.setDownTime('control-worker', downMs);
    this.stopWorker('control-worker');
  }

  losePower(downMs: number): void {
    this.setDownTime('gpu-worker', downMs);
    this.setDownTime('control-worker', downMs);
    this.host.losePower();
  }

  /** Starts a GPU worker on the second machine, while the first one is away. */
  startSecondMachine(awayMs: number): void {
    this.returnedAt = this.clock.now + awayMs;
    if (this.secondHost.find('gpu-worker') === undefined) this.startWorker('gpu-worker', this.secondHost);
  }

  evictWorkflows(): void {
    for (const worker of this.controlWorkers) void worker.evictAll();
  }

  /** Complete checkpoints of all runs, newest first within a run. */
  checkpoints(): SavedCheckpoint[] {
    const runs = this.disk.find(`${home}/runs`);
    return runs?.kind === 'folder'
      ? [...runs.entries.keys()].flatMap((name) => this.checkpointsOf(name, this.disk))
      : [];
  }

  private checkpointsOf(runName: string, disk: Disk): SavedCheckpoint[] {
    const { train } = runFolder(home, runName);
    const folder = disk.find(train.checkpoints);
    if (folder?.kind !== 'folder') return [];
    const names = [...folder.entries.keys()].filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
    const found = names.flatMap((name) => {
      const [checkpoint, manifest] = [folder.entries.get(`${name}.pth`), folder.entries.get(`${name}.json`)];
      if (checkpoint?.kind !== 'file' || manifest?.kind !== 'file') return [];
      return [{ job: train.dir, file: `${name}.pth`, checkpoint, manifest }];
    });
    return found.sort((a, b) => b.file.localeCompare(a.file));
  }

  /** Checks the status of a run that has ended, and counts which decisions of decide.ts were reached. Numbers and names do not distinguish them. */
  private checkStatus(execution: Execution, status: unknown): void {
    const { workflowType, status: ending, isClosedByOldBuild } = execution;
    if (workflowType !== workflowTypes.trainDetector) return;
    const run = RunStatus.parse(status);
    const { runId, attempts, decisions, control } = run;
    this.oracles.checkAttempts(run);
    const isUnfinished = ending === 'FAILED' || ending === 'CANCELLED';
    if (isUnfinished && !isClosedByOldBuild && this.ownsTrainer(execution, runId))
      this.oracles.checkStopped(runFolder(home, runId).train.dir, run);
    const epochs = Math.floor((attempts.at(-1)?.toIteration ?? 0) / this.scenario.shape.stepsPerEpoch);
    if (ending === 'COMPLETED' && control !== null && epochs < control.epochs)
      this.oracles.violate(
        'weights',
        `${runId} is done after ${epochs} epochs, although ${control.epochs} were requested`,
      );
    if (ending === 'COMPLETED') this.checkStore(runId, attempts.at(-1)?.checkpointIteration ?? 0);
    for (const { attempt, next, why } of decisions) {
      const outcome = attempts.find((one) => one.attempt === attempt)?.outcome ?? 'unknown';
      const branch = why
        .replaceAll(/\(.*\)/g, '(…)')
        .replaceAll(/\d+(\.\d+)?/g, 'N')
        .slice(0, 90);
      this.counts.add(`decision: ${outcome} -> ${next}: ${branch}`);
    }
  }

  /** Returns whether the run must stop the trainer. A machine that was cut off stops its trainer later. */
  private ownsTrainer({ runId: workflowRun }: Execution, runId: string): boolean {
    const holder = this.fenceHolders(runId, this.disk).at(-1);
    return holder?.workflowRun === workflowRun && !hasFault(this.scenario, 'move');
  }

  /** Checks a run that has confirmed a pause. The old build left a trainer that had lost its watch. */
  readonly onPaused = (run: Execution): void => {
    const { name } = RunInput.parse(fromPayload(run.args[0]));
    if (run.isOpen && this.ownsTrainer(run, name) && !hasFault(this.scenario, 'upgrade'))
      this.oracles.checkPaused(runFolder(home, name).train.dir, name);
  };

  private closed(execution: Execution): void {
    const { workflowType, status, failure, args } = execution;
    this.closedAt = this.clock.now;
    this.counts.add(`ending: ${workflowType} ${status}${failure === undefined ? '' : ` ${typeOf(failure)}`}`);
    if (execution.isClosedByOldBuild && status !== 'COMPLETED' && status !== 'CONTINUED_AS_NEW') {
      this.isEndedByOldBuild = true;
      return;
    }
    this.oracles.checkClosed(execution);
    if (workflowType === workflowTypes.trainDetector)
      this.checkRun(RunInput.parse(fromPayload(args[0])).name, status === 'COMPLETED');
    if (workflowType === workflowTypes.retrainDetector) this.checkRegistry();
    this.workload.closed(execution);
  }

  private checkDamagedResume({ job, file, fence }: TrainerObservation & { type: 'damaged checkpoint refused' }): void {
    const holder = this.disk.find(`${jobFolder(job).fences}/${fence}`);
    if (holder?.kind === 'file') this.oracles.checkDamagedResume(job, file, holder.changedAt);
  }

  private checkRun(runName: string, isCompleted: boolean): void {
    for (const { disk } of this.hosts) this.oracles.checkFences(runName, this.fenceHolders(runName, disk));
    if (!isCompleted) return;
    const found = this.hosts.flatMap(({ disk }) => this.checkpointsOf(runName, disk));
    const [newest] = found.sort((a, b) => b.file.localeCompare(a.file));
    if (newest === undefined) this.oracles.violate('checkpoints', `${runName} is done and has no checkpoint`);
    else this.oracles.checkWeights(runName, newest.checkpoint.data.toString());
  }

  /** Checks that the artifact store holds the last checkpoint of a completed run that may move. */
  private checkStore(runName: string, trained: number): void {
    if (!hasFault(this.scenario, 'move')) return;
    const text = this.newestPointer(mirrorKeys(runName).pointer);
    const stored = text === undefined ? [] : RunPointer.parse(JSON.parse(text)).checkpoints;
    if (!stored.some(({ iteration }) => iteration >= trained))
      this.oracles.violate(
        'checkpoints',
        `${runName} is done at iteration ${trained}; the store has ${stored.map(({ file }) => file).join(', ') || 'no checkpoint'}`,
      );
  }

  /** Holders of the fences of a run, in the order of their tokens. */
  private fenceHolders(runName: string, disk: Disk): FenceHolder[] {
    const folder = disk.find(runFolder(home, runName).train.fences);
    if (folder?.kind !== 'folder') return [];
    const tokens = [...folder.entries].sort(([a], [b]) => Number(a) - Number(b));
    return tokens.flatMap(([token, file]) => {
      if (!/^\d+$/.test(token) || file.kind !== 'file' || file.data.length === 0) return [];
      return [FenceHolderFile.parse(JSON.parse(file.data.toString()))];
    });
  }

  /** Checks the newest state of the model registry. */
  private checkRegistry(): void {
    const text = this.newestPointer(modelKeys('sim').state);
    if (text !== undefined) this.oracles.checkRegistry(text);
  }

  /** A workflow or a user has changed the registry. */
  readonly onRegistryChanged = (): void => {
    this.checkRegistry();
    this.reached('registry change');
  };

  /** Newest version of a pointer in the artifact store. */
  private newestPointer(key: string): string | undefined {
    const folder = this.disk.find(`${store}/.pointers/${key}`);
    if (folder?.kind !== 'folder') return undefined;
    const newest = Math.max(...[...folder.entries.keys()].map(Number).filter(Number.isInteger));
    const file = folder.entries.get(String(newest));
    return file?.kind === 'file' ? file.data.toString() : undefined;
  }

  /** Ends all faults. From now on a person takes care of runs that wait for one. */
  private heal(): void {
    this.trace.add('all faults are over');
    this.faults.clear();
    if (this.runsOldBuild) this.upgrade(usualDownMs);
    this.workload.takeCare();
  }

  private startWorker(name: WorkerName, host: Host): void {
    const { server } = this;
    const workers: ActivityWorker[] = [];
    const onSignal = () => {
      for (const worker of workers) worker.shutDown();
      if (workers.length === 0) process.exit(0);
    };
    const process = host.start({ name, onSignal });
    process.onExit(() => {
      server.unreachable.delete(process);
      this.clock.schedule(this.downMs.get(name) ?? usualDownMs, () => this.startWorker(name, host));
      this.downMs.delete(name);
    });
    const connect =
      name === 'gpu-worker' ? () => this.connectGpuWorker(process) : () => this.connectControlWorker(process);
    process.later(300, () => void connect().then((worker) => workers.push(worker)));
  }

  /** Does what workers/gpu.ts does. */
  private async connectGpuWorker(process: SimulatedProcess): Promise<ActivityWorker> {
    const report = (error: unknown) => this.trace.add(`gpu-worker: ${String(error)}`);
    const client = createClient(this.server, process);
    void killOrphans(home).catch(report);
    const stopAbandoned = (): void => {
      void stopAbandonedJobs({ home, openStore: () => localStore(store) }, client.workflow as never).catch(report);
      process.later(abandonedEveryMs, stopAbandoned);
    };
    stopAbandoned();
    await reportLostWatchers(home, client as never).catch(report);
    const activities = createGpuActivities(this.stubs);
    const { runTraining } = activities;
    const watched = (request: TrainingRequest): Promise<unknown> => {
      const job = this.jobOn(process.host.name, runFolder(home, request.plan.runId).train.dir);
      this.oracles.attemptStarted(job, request);
      this.reached('attempt');
      return runTraining?.(request as never) ?? Promise.resolve();
    };
    return new ActivityWorker(this.server, {
      process,
      queues: ['everswin-gpu'],
      activities: { ...activities, runTraining: watched },
      maxThrottleMs: 5_000,
    });
  }

  private connectControlWorker(process: SimulatedProcess): Promise<ActivityWorker> {
    this.controlWorkers.push(new ControlWorker(this.server, this.vm, process, this.runsOldBuild));
    const activities = createControlActivities(this.stubs);
    return Promise.resolve(
      new ActivityWorker(this.server, { process, queues: ['everswin'], activities, maxThrottleMs: 60_000 }),
    );
  }

  /** Everything has ended: all workflows, all planned starts and all processes of trainers. */
  private isOver(): boolean {
    const { server, clock, oracles } = this;
    if (this.isEndedByOldBuild) return true;
    if (this.workload.plannedStarts > 0 || server.executions.some(({ isOpen }) => isOpen)) return false;
    const processes = this.hosts.flatMap((host) => [...host.processes.values()]);
    const left = processes.filter(({ name }) => name === 'supervisor' || name === 'ranks');
    if (left.length > 0 && clock.now > Math.max(this.closedAt, this.healedAt) + leftoverMs)
      oracles.violate(
        'no trainer behind',
        `${left.map(({ name, pid }) => `${name} ${pid}`).join(', ')} still run ${leftoverMs / 1000} s after the workflow ended`,
      );
    return left.length === 0;
  }

  private reportNoProgress(): void {
    const open = this.server.executions.filter(({ isOpen }) => isOpen);
    const waits = open.map(({ workflowId: id, pendingActivities }) => {
      const activities = pendingActivities.map(({ type, attempt }) => `${type} (attempt ${attempt})`).join(', ');
      return `${id} waits for ${activities === '' ? 'no activity' : activities}`;
    });
    this.oracles.violate('progress', `an hour after the last fault, ${waits.join('; ')}`);
  }
}
