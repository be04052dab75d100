/** Globals that the activities see: time, timers and the process are those of the simulation. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { systemError } from '../machine/disk.ts';
import { currentProcess, type Signal } from '../machine/process.ts';
import type { Timer } from '../clock.ts';

const RealDate = globalThis.Date;

class SimulatedDate extends RealDate {
  constructor(...args: [] | [number | string]) {
    super(args[0] ?? SimulatedDate.now());
  }

  static override now(): number {
    return currentProcess().clock.now;
  }
}

const performance = { now: (): number => currentProcess().clock.now };

const process = {
  get pid(): number {
    return currentProcess().pid;
  },
  kill(pid: number, signal: Signal | 0): boolean {
    const target = currentProcess().host.processes.get(pid);
    if (target === undefined) throw systemError('ESRCH', 'kill', String(pid));
    if (signal !== 0) target.signal(signal);
    return true;
  },
};

interface Handle {
  timer: Timer | undefined;
}

const setTimeout = (action: () => void, delayMs = 0): Handle => {
  const run = AsyncLocalStorage.bind(action);
  return { timer: currentProcess().later(delayMs, run) };
};

const setInterval = (action: () => void, delayMs: number): Handle => {
  const owner = currentProcess();
  const run = AsyncLocalStorage.bind(action);
  const handle: Handle = { timer: undefined };
  const repeat = () => {
    handle.timer = owner.later(delayMs, () => {
      repeat();
      run();
    });
  };
  repeat();
  return handle;
};

const clear = (handle: Handle | undefined): void => {
  if (handle?.timer !== undefined) handle.timer.action = undefined;
};

const console = { log: (text: unknown): void => currentProcess().host.trace(String(text)) };

export {
  SimulatedDate as Date,
  performance,
  process,
  setTimeout,
  setInterval,
  clear as clearTimeout,
  clear as clearInterval,
  console,
};
