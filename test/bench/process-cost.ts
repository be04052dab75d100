/** Measures wall time, CPU time and peak memory of a process, as counted by the kernel. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessCost {
  wallSeconds: number;
  cpuSeconds: number;
  residentMb: number;
  stdout: string;
}

/** USER_HZ of Linux on every platform that Node supports. */
const ticksPerSecond = 100;
const pollMs = 10;

/** Runs a process until it exits. Misses what happens after the last poll. */
export async function measureProcess(
  executable: string,
  argv: string[],
  env: Record<string, string>,
): Promise<ProcessCost> {
  const startedAt = performance.now();
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
  if (code !== 0) throw new Error(`${executable} exited with code ${code ?? 'none'}`);
  return { wallSeconds: (at - startedAt) / 1000, cpuSeconds, residentMb, stdout };
}

/** Returns CPU time of all threads and peak memory so far; undefined after the exit. */
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
