/** /proc of a simulated machine: what the code reads to find out whether a process is alive. */
import { Buffer } from 'node:buffer';
import { systemError } from './disk.ts';
import type { Host } from './host.ts';

export const procPids = ({ processes }: Host): string[] => [...processes.keys()].map(String);

/** Reads /proc/<pid>/stat or /proc/<pid>/environ. */
export function readProcFile({ processes }: Host, path: string): Buffer {
  const [, , pid, name] = path.split('/');
  const process = processes.get(Number(pid));
  if (process === undefined) throw systemError('ENOENT', 'open', path);
  if (name === 'environ') {
    const pairs = Object.entries(process.environment).map(([key, value]) => `${key}=${value}`);
    return Buffer.from(pairs.join('\0'));
  }
  const state = process.frozen ? 'T' : 'S';
  // Fields 4 to 21 are not read; field 22 is the start time.
  return Buffer.from(`${process.pid} (${process.name}) ${state} ${'0 '.repeat(18)}${process.startTicks} 0`);
}
