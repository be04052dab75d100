/** A worker at the usual priority that mirrors a run whose checkpoints come on demand: mirroring-child.ts, from outside. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { projectRoot } from '../helpers/project.ts';
import { readCounters } from './process-cost.ts';

export interface MirroringWorker {
  /** Until a further checkpoint is in the store, and the one before it is gone. */
  upload: () => Promise<void>;
  /** So far, of the worker and of its mirror. */
  cpuSeconds: () => number;
  stop: () => Promise<void>;
}

export interface MirroringOptions {
  /** As taskset wants them. */
  cores: string;
  env: Record<string, string>;
  address: string;
  home: string;
  /** Of all the checkpoints, and its sha256. */
  file: string;
  sha256: string;
  /** `process`, as in production, or `here`: in the worker itself. */
  mode: 'process' | 'here';
}

const Said = z.object({ pids: z.array(z.int()) });

export async function startMirroringWorker(options: MirroringOptions): Promise<MirroringWorker> {
  const { cores, env, address, home, file, sha256, mode } = options;
  const program = `${projectRoot}/test/bench/mirroring-child.ts`;
  const argv = ['-c', cores, process.execPath, '--import', 'tsx', program, address, home, file, sha256, mode];
  const child = spawn('taskset', argv, { env, stdio: ['pipe', 'pipe', 'inherit'], cwd: projectRoot });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const hear = async () => {
    const next = await lines.next();
    if (next.done === true) throw new Error('the worker that mirrors ended');
    return Said.parse(JSON.parse(next.value));
  };
  let { pids } = await hear();
  return {
    upload: async () => {
      child.stdin.write('next\n');
      ({ pids } = await hear());
    },
    cpuSeconds: () => pids.reduce((sum, pid) => sum + (readCounters(pid)?.cpuSeconds ?? NaN), 0),
    stop: async () => {
      child.stdin.end();
      if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
    },
  };
}
