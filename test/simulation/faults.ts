/** Injects the faults of a scenario into a running simulation. */
import type { SystemCall, CallFaults } from './machine/host.ts';
import { systemError, type FileNode } from './machine/disk.ts';
import type { SimulatedProcess } from './machine/process.ts';
import { store } from './activities.ts';
import { damagedContent } from './oracles.ts';
import type { RankFailure } from './machine/trainer-model.ts';
import { deform } from './deform.ts';
import type { Fault, Malformation, Message, Place } from './scenario.ts';
import type { Simulation } from './simulation.ts';
import { fromPayload, toPayload, type Payload } from './temporal/payload.ts';

/** A fault that waits for the nth system call of a process. */
interface ArmedFault {
  place: Place;
  callsLeft: number;
  strike: (process: SimulatedProcess) => void;
}

/** Errors that the next system calls of a process return. */
interface FailingCalls {
  place: Place;
  code: string;
  callsLeft: number;
  left: number;
}

/** A change of the next message of its kind. */
interface MalformedMessage {
  message: Message;
  how: Malformation;
  field: number;
}

const slowestCallMs = 20;

export class Faults implements CallFaults {
  private readonly simulation: Simulation;
  private armed: ArmedFault[] = [];
  private failing: FailingCalls[] = [];
  private rankFailure: RankFailure | 'hang' | undefined;
  /** Whether the first machine reaches neither the server nor the artifact store. */
  private isMachineCutOff = false;
  /** GPUs that were lost at some time. */
  private readonly failedGpus = new Set<string>();
  private malformed: MalformedMessage[] = [];

  constructor(simulation: Simulation) {
    this.simulation = simulation;
  }

  inject(fault: Fault): void {
    const { simulation } = this;
    const { clock, server } = simulation;
    simulation.trace.add(`fault: ${JSON.stringify(fault)}`);
    simulation.counts.add(`fault: ${fault.kind}`);
    switch (fault.kind) {
      case 'kill':
        simulation.setDownTime(fault.place, fault.downMs);
        return simulation.find(fault.place)?.signal('SIGKILL');
      case 'kill at call':
        return this.arm(fault, (process) => {
          simulation.setDownTime(fault.place, fault.downMs);
          process.signal('SIGKILL');
        });
      case 'freeze':
        return this.freeze(simulation.find(fault.place), fault.ms);
      case 'freeze at call':
        return this.arm(fault, (process) => this.freeze(process, fault.ms));
      case 'stop worker':
        simulation.setDownTime(fault.place, fault.downMs);
        return simulation.stopWorker(fault.place);
      case 'cut off':
        return this.cutOff(simulation.find(fault.place), fault.ms);
      case 'stop server':
        server.stop();
        clock.schedule(fault.ms, () => server.restart());
        return;
      case 'lose power':
        return simulation.losePower(fault.downMs);
      case 'move':
        this.isMachineCutOff = true;
        clock.schedule(fault.ms, () => (this.isMachineCutOff = false));
        this.cutOff(simulation.host.find('gpu-worker'), fault.ms);
        return simulation.startSecondMachine(fault.ms);
      case 'evict':
        return simulation.evictWorkflows();
      case 'upgrade':
        return simulation.upgrade(fault.downMs);
      case 'malformed message':
        this.malformed.push(fault);
        return;
      case 'call error':
        this.failing.push({ place: fault.place, code: fault.code, callsLeft: fault.calls, left: fault.count });
        return;
      case 'fill disk':
        simulation.disk.isFilled = true;
        clock.schedule(fault.ms, () => (simulation.disk.isFilled = false));
        return;
      case 'damage checkpoint':
        return this.damage(fault.which);
      case 'lose GPU':
        return this.loseGpu(fault);
      case 'fail ranks':
        this.rankFailure = { line: fault.line, exitCode: 1 };
        return;
      case 'hang ranks':
        this.rankFailure = 'hang';
        return;
      default:
        fault satisfies never;
    }
  }

  /** Ends all faults that wait for their moment, so that the rest of the simulation is undisturbed. */
  clear(): void {
    this.armed = [];
    this.failing = [];
    this.rankFailure = undefined;
    this.malformed = [];
    this.simulation.host.replaceGpus(this.failedGpus);
  }

  /** Returns the failure of the ranks that is due, once. */
  takeRankFailure(): RankFailure | 'hang' | undefined {
    const failure = this.rankFailure;
    this.rankFailure = undefined;
    return failure;
  }

  /** Passes a message on, malformed if that is due. Messages without content stay as they are. */
  pass(message: Message, payload: Payload, workflowId: string): Payload {
    const due = this.malformed.find((one) => one.message === message);
    const value = fromPayload(payload);
    if (due === undefined || value === undefined) return payload;
    this.malformed = this.malformed.filter((one) => one !== due);
    const changed = deform(value, due.how, due.field);
    this.simulation.trace.add(`malformed ${message}: ${JSON.stringify(changed).slice(0, 100)}`);
    this.simulation.counts.add(`malformed: ${message} ${due.how}`);
    this.simulation.oracles.messageMalformed(workflowId);
    return toPayload(changed);
  }

  before(process: SimulatedProcess): number {
    for (const fault of this.armed) {
      if (fault.place !== process.name || (fault.callsLeft -= 1) > 0) continue;
      this.armed = this.armed.filter((one) => one !== fault);
      fault.strike(process);
    }
    const { random, scenario } = this.simulation;
    return scenario.slowCallRate > 0 && random.chance(scenario.slowCallRate) ? random.between(0, slowestCallMs) : 0;
  }

  fail(process: SimulatedProcess, { name, path }: Omit<SystemCall, 'number'>): void {
    if (this.isMachineCutOff && process.name === 'gpu-worker' && process.host === this.simulation.host)
      if (path.startsWith(store)) throw systemError('EIO', name, path);
    for (const failing of this.failing) {
      if (failing.place !== process.name || name === 'close' || path.startsWith('/proc')) continue;
      if ((failing.callsLeft -= 1) > 0) continue;
      failing.left -= 1;
      if (failing.left <= 0) this.failing = this.failing.filter((one) => one !== failing);
      this.simulation.trace.add(`${failing.code} for ${process.name} at ${name} ${path}`);
      throw systemError(failing.code, name, path);
    }
  }

  private arm({ place, calls }: { place: Place; calls: number }, strike: ArmedFault['strike']): void {
    this.armed.push({ place, callsLeft: calls, strike });
  }

  private freeze(process: SimulatedProcess | undefined, ms: number): void {
    if (process === undefined) return;
    process.signal('SIGSTOP');
    this.simulation.clock.schedule(ms, () => process.signal('SIGCONT'));
  }

  private cutOff(process: SimulatedProcess | undefined, ms: number): void {
    const { server, clock } = this.simulation;
    if (process === undefined) return;
    server.unreachable.add(process);
    clock.schedule(ms, () => {
      server.unreachable.delete(process);
      server.dispatch();
    });
  }

  private loseGpu({ gpu, ms, times, worksMs }: Fault & { kind: 'lose GPU' }): void {
    const { host, clock } = this.simulation;
    const uuid = host.gpus[gpu % host.gpus.length];
    if (uuid === undefined) return;
    this.failedGpus.add(uuid);
    const lose = (left: number) => {
      // All faults are over once this GPU is replaced.
      if (left === 0 || !host.gpus.includes(uuid)) return;
      host.lostGpus.add(uuid);
      clock.schedule(ms, () => host.lostGpus.delete(uuid));
      clock.schedule(ms + worksMs, () => lose(left - 1));
    };
    lose(times);
  }

  private damage(which: (Fault & { kind: 'damage checkpoint' })['which']): void {
    const { simulation } = this;
    for (const { job, file, checkpoint, manifest } of simulation
      .checkpoints()
      .slice(0, which === 'all' ? undefined : 1)) {
      simulation.oracles.checkpointDamaged(job, file, simulation.clock.now);
      const target: FileNode = which === 'manifest' ? manifest : checkpoint;
      const text = `${damagedContent} ${target.data.length}`;
      target.data = Buffer.from(which === 'bits' ? damagedContent.padEnd(target.data.length) : text);
      target.synced = target.data;
    }
  }
}
