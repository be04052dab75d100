import { codecTokenVariable, hookTokenVariable, keyVariables } from '../../configs/names.ts';
import { readVariables } from '../../workers/env.ts';
import { SupervisedProcess, type ProcessSpec, type Restart } from './supervised-process.ts';

/** A process of the stack, without the environment and the log file, which the group adds. */
export interface StackProcessSpec extends Omit<ProcessSpec, 'env' | 'unsetEnv' | 'logFile'> {
  /** The secrets of `secretVariables` that this process gets. */
  needs?: readonly string[];
}

/** Secrets that a process of the stack gets only if it needs them. */
const secretVariables = [hookTokenVariable, codecTokenVariable, ...keyVariables];

interface ProcessGroupOptions {
  env: Record<string, string>;
  /** Folder of `<process>.log`. */
  logs: string;
  onRestart: (restart: Restart) => void;
}

/** The supervised processes of one stack. */
export class ProcessGroup {
  private readonly processes: SupervisedProcess[] = [];
  private readonly options: ProcessGroupOptions;

  constructor(options: ProcessGroupOptions) {
    this.options = options;
  }

  start({ needs = [], ...spec }: StackProcessSpec): void {
    const { env, onRestart } = this.options;
    const logFile = this.logFile(spec.name);
    // The settings of another Temporal server, such as its TLS and its API key, do not apply to that of the stack.
    const unsetEnv = [...secretVariables.filter((name) => !needs.includes(name)), ...temporalVariables()];
    this.processes.push(new SupervisedProcess({ ...spec, unsetEnv, env, logFile }, onRestart));
  }

  logFile(name: string): string {
    return `${this.options.logs}/${name}.log`;
  }

  /** Returns the pids by process name, without those that are being restarted. */
  pids(): Record<string, number> {
    return Object.fromEntries(this.processes.flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid]])));
  }

  /** Stops the processes that `includes` selects by name. */
  async stop(includes: (name: string) => boolean): Promise<void> {
    await Promise.all(this.processes.filter(({ name }) => includes(name)).map((process) => process.stop()));
  }
}

const temporalVariables = (): string[] => Object.keys(readVariables()).filter((name) => name.startsWith('TEMPORAL_'));
