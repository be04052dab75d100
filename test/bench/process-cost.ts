/** What a process took: wall time, CPU and the most memory it ever held, as the kernel counts them. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessCost {
  wallSeconds: number;
  cpuSeconds: number;
  residentMb: number;
  stdout: string;
}

/** Of Linux, everywhere that Node runs. */
const ticksPerSecond = 100;
const pollMs = 10;

/** Runs it to its end; what it does in its last milliseconds is not counted. */
export async function measureProcess(
  executable: string,
  argv: string[],
  env: Record<string, string>,
): Promise<ProcessCost> {
  const began = performance.now();
  const child = spawn(executable, argv, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  let ended: { code: number | null; at: number } | undefined;
  child.once('exit', (code) => (ended = { code, at: performance.now() }));
  let [cpuSeconds, residentMb] = [0, 0];
  const end = () => ended;
  for (let last = end(); last === undefined; last = end()) {
    const counted = readCounters(child.pid ?? 0);
    if (counted !== undefined) ({ cpuSeconds, residentMb } = counted);
    await sleep(pollMs);
  }
  const { code, at } = end() ?? { code: null, at: NaN };
  if (code !== 0) throw new Error(`${executable} ended with code ${code ?? 'none'}`);
  return { wallSeconds: (at - began) / 1000, cpuSeconds, residentMb, stdout };
}

/** CPU so far, of all threads, and the high water mark of its memory; undefined once it has ended. */
export function readCounters(pid: number): { cpuSeconds: number; residentMb: number } | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    if (peak === undefined) return undefined;
    const cpuSeconds = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
    return { cpuSeconds, residentMb: (Number(peak) * 1024) / 1e6 };
  } catch {
    return undefined;
  }
}
