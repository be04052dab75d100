/** Reads processes from /proc, independently of the code under test. */
import { readFileSync, readdirSync } from 'node:fs';

export interface Process {
  pid: number;
  parent: number;
  state: string;
  startTicks: number;
  environment: ReadonlyMap<string, string>;
  argv: string[];
}

/** Returns live processes whose environment has one of these values of the variable. */
export const findMarked = (name: string, ...values: string[]): Process[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => readProcess(Number(entry)))
    .filter((process) => process !== undefined)
    .filter(({ environment }) => values.includes(environment.get(name) ?? ''));

/** Returns undefined for a process that has exited or is a zombie, which has no environment. */
export function readProcess(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state = '', parent = ''] = fields;
    if (state === 'Z' || state === 'X') return undefined;
    const environment = new Map(readList(pid, 'environ').map(splitOnce));
    return {
      pid,
      parent: Number(parent),
      state,
      startTicks: Number(fields[19]),
      environment,
      argv: readList(pid, 'cmdline'),
    };
  } catch {
    return undefined; // it has just exited, or belongs to another user
  }
}

const readList = (pid: number, name: string): string[] =>
  readFileSync(`/proc/${pid}/${name}`, 'utf8')
    .split('\0')
    .filter((one) => one !== '');

function splitOnce(setting: string): [string, string] {
  const at = setting.indexOf('=');
  return [setting.slice(0, at), setting.slice(at + 1)];
}
