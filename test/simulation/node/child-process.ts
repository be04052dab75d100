/** Replaces `node:child_process` for the activities: a spawned program is the model of the trainer. */
import { supervise } from '../machine/trainer-model.ts';
import { currentProcess, type Signal, type SimulatedProcess } from '../machine/process.ts';

/** The part of ChildProcess that the activities use. */
class ChildProcess {
  private readonly process: SimulatedProcess;

  constructor(process: SimulatedProcess) {
    this.process = process;
  }

  get exitCode(): number | null {
    return this.process.exitCode;
  }

  get signalCode(): Signal | null {
    return this.process.signalCode;
  }

  kill(signal: Signal): void {
    this.process.signal(signal);
  }

  /** The program always exists, so no `error` event comes. */
  once(): void {}

  unref(): void {}
}

export function spawn(_executable: string, argv: string[]): ChildProcess {
  const { host } = currentProcess();
  const supervisor = host.start({ name: 'supervisor' });
  // Starting Python takes a moment, and the parent continues meanwhile.
  supervisor.later(50, () => void supervise(supervisor, argv, host.trainers));
  return new ChildProcess(supervisor);
}

export const fork = (): never => {
  throw new Error('fork is not simulated: runs with an S3 store use it');
};
