/** A process of a simulated machine. What it does next happens only while it is alive and not frozen. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock, Timer } from '../clock.ts';
import type { Host } from './host.ts';

export type Signal = 'SIGTERM' | 'SIGKILL' | 'SIGCONT' | 'SIGSTOP';

const current = new AsyncLocalStorage<SimulatedProcess>();

/** Returns the process whose code runs now; undefined while modules are loaded. */
export const findCurrentProcess = (): SimulatedProcess | undefined => current.getStore();

/** Returns the process whose code runs now. */
export function currentProcess(): SimulatedProcess {
  const found = current.getStore();
  if (found === undefined) throw new Error('this code runs outside of every simulated process');
  return found;
}

export interface ProcessOptions {
  name: string;
  environment?: Record<string, string>;
  onSignal?: (signal: Signal) => void;
}

export class SimulatedProcess {
  readonly host: Host;
  readonly name: string;
  readonly pid: number;
  /** Distinguishes processes that reuse a pid. */
  readonly startTicks: number;
  readonly environment: Record<string, string>;
  exitCode: number | null = null;
  signalCode: Signal | null = null;
  onSignal: ((signal: Signal) => void) | undefined;
  private isAlive = true;
  /** Number of the newest system call. */
  private calls = 0;
  /** What the process would have done since it was frozen; undefined while it runs. */
  private held: (() => void)[] | undefined;
  private readonly exitListeners: (() => void)[] = [];

  constructor(host: Host, pid: number, { name, environment = {}, onSignal }: ProcessOptions) {
    this.host = host;
    this.name = name;
    this.pid = pid;
    this.startTicks = Math.floor((this.clock.now - host.bootedAt) / 10);
    this.environment = environment;
    this.onSignal = onSignal;
  }

  get alive(): boolean {
    return this.isAlive;
  }

  get frozen(): boolean {
    return this.held !== undefined;
  }

  get clock(): Clock {
    return this.host.clock;
  }

  /** Runs code as this process. A dead process does nothing, a frozen one does it later. */
  run(action: () => void): void {
    if (!this.isAlive) return;
    if (this.held === undefined) current.run(this, action);
    else this.held.push(action);
  }

  later(delayMs: number, action: () => void): Timer {
    return this.clock.schedule(delayMs, () => this.run(action));
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.later(delayMs, resolve));
  }

  /** Performs a system call. Faults may kill or freeze the process at it, delay it, or let it fail. */
  async call<T>(name: string, path: string, action: () => T): Promise<T> {
    this.calls += 1;
    const delayMs = this.host.beforeCall(this, { number: this.calls, name, path });
    if (!this.isAlive) return new Promise(() => undefined);
    if (this.held !== undefined) await new Promise<void>((resolve) => this.held?.push(resolve));
    else if (delayMs > 0) await this.sleep(delayMs);
    this.host.failCall(this, name, path);
    return action();
  }

  signal(signal: Signal): void {
    if (!this.isAlive) return;
    this.host.trace(`${signal} to ${this.name} (pid ${this.pid})`);
    if (signal === 'SIGKILL') this.end(null, signal);
    else if (signal === 'SIGSTOP') this.held ??= [];
    else if (signal === 'SIGCONT') this.thaw();
    else this.run(() => this.onSignal?.(signal));
  }

  exit(code: number): void {
    this.end(code, null);
  }

  onExit(listener: () => void): void {
    this.exitListeners.push(listener);
  }

  private thaw(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const action of held) this.run(action);
  }

  private end(code: number | null, signal: Signal | null): void {
    if (!this.isAlive) return;
    this.isAlive = false;
    this.held = undefined;
    this.exitCode = code;
    this.signalCode = signal;
    for (const listener of this.exitListeners) listener();
  }
}
