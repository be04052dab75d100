/** A machine: its disk, its processes, its GPUs and the locks that they hold. */
import type { Clock } from '../clock.ts';
import type { Disk } from './disk.ts';
import { SimulatedProcess, type ProcessOptions } from './process.ts';
import type { TrainerWorld } from './trainer-model.ts';

export interface SystemCall {
  /** Number of this call in its process. */
  number: number;
  name: string;
  path: string;
}

/** Faults of system calls. */
export interface CallFaults {
  /** Called before each system call; may signal the process. @returns milliseconds that the call takes. */
  before: (process: SimulatedProcess, call: SystemCall) => number;
  /** @throws the error with which the call fails. */
  fail: (process: SimulatedProcess, call: Omit<SystemCall, 'number'>) => void;
}

interface HostOptions {
  clock: Clock;
  disk: Disk;
  faults: CallFaults;
  trace: (text: string) => void;
  trainers: TrainerWorld;
  firstPid: number;
  /** Number of GPUs; without any, trainers run on the CPU. */
  gpus: number;
}

export class Host {
  readonly name: string;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly processes = new Map<number, SimulatedProcess>();
  /** UUIDs of its GPUs, in the order of their numbers. */
  readonly gpus: string[];
  /** GPUs that the driver no longer lists. */
  readonly lostGpus = new Set<string>();
  /** Supervisors that wait for GPUs. */
  readonly waitingForGpus = new Set<SimulatedProcess>();
  /** Trace of the simulation. */
  readonly trace: (text: string) => void;
  /** Locks by path: the processes that hold each. */
  private readonly locks = new Map<string, Set<SimulatedProcess>>();
  /** What the trainers of this machine do, beyond what the contract says. */
  readonly trainers: TrainerWorld;
  private readonly faults: CallFaults;
  private uuids = 0;
  /** Time of the last start of this machine. */
  bootedAt: number;
  private readonly firstPid: number;
  private lastPid: number;

  constructor(name: string, { clock, disk, faults, trace, trainers, firstPid, gpus }: HostOptions) {
    this.name = name;
    this.clock = clock;
    this.disk = disk;
    this.faults = faults;
    this.trainers = trainers;
    this.trace = (text) => trace(`${name}: ${text}`);
    this.firstPid = firstPid;
    this.lastPid = firstPid;
    this.bootedAt = clock.now;
    this.gpus = Array.from({ length: gpus }, () => this.newGpu());
  }

  /** Replaces the lost GPUs, and those that were lost before, by new ones. */
  replaceGpus(failed: ReadonlySet<string>): void {
    for (const [place, uuid] of this.gpus.entries()) if (failed.has(uuid)) this.gpus[place] = this.newGpu();
    this.lostGpus.clear();
  }

  start(options: ProcessOptions): SimulatedProcess {
    const process = new SimulatedProcess(this, (this.lastPid += 1), options);
    this.processes.set(process.pid, process);
    process.onExit(() => this.processes.delete(process.pid));
    return process;
  }

  find(name: string): SimulatedProcess | undefined {
    return [...this.processes.values()].find((process) => process.name === name);
  }

  private newGpu(): string {
    return `GPU-${this.uuid()}`;
  }

  /** Returns a unique name in the format of a UUID. */
  uuid(): string {
    return `00000000-0000-4000-8000-${this.name.length}${(this.uuids += 1).toString(16).padStart(11, '0')}`;
  }

  /** Takes a lock that ends with the process; false while another process holds it. */
  tryLock(path: string, process: SimulatedProcess): boolean {
    if (!this.canLock(path, process)) return false;
    this.shareLock(path, process);
    return true;
  }

  canLock(path: string, process: SimulatedProcess): boolean {
    return this.holders(path).every((holder) => holder === process);
  }

  /** Lets a process hold a lock that its parent holds, as an inherited open file does. */
  shareLock(path: string, process: SimulatedProcess): void {
    this.locks.set(path, new Set([...this.holders(path), process]));
  }

  releaseLock(path: string, process: SimulatedProcess): void {
    this.locks.get(path)?.delete(process);
  }

  holders(path: string): SimulatedProcess[] {
    return [...(this.locks.get(path) ?? [])].filter(({ alive }) => alive);
  }

  /** Ends all processes and loses what was not synced to disk. */
  losePower(): void {
    for (const process of [...this.processes.values()]) process.signal('SIGKILL');
    this.disk.loseUnsynced();
    // After a reboot, other processes get the same pids.
    this.lastPid = this.firstPid;
    this.bootedAt = this.clock.now;
  }

  beforeCall(process: SimulatedProcess, call: SystemCall): number {
    return this.faults.before(process, call);
  }

  failCall(process: SimulatedProcess, name: string, path: string): void {
    this.faults.fail(process, { name, path });
  }
}
