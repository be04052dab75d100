/** Starts mirroring-child.ts as a worker of normal priority that mirrors checkpoints on demand. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { projectRoot } from '../helpers/project.ts';
import { readCounters } from './process-cost.ts';

export interface MirroringWorker {
  /** Resolves when the store has another checkpoint and no longer has the previous one. */
  upload: () => Promise<void>;
  /** CPU time of the worker and its mirror so far. */
  cpuSeconds: () => number;
  stop: () => Promise<void>;
}

export interface MirroringOptions {
  /** Core list in the format of taskset. */
  cores: string;
  env: Record<string, string>;
  address: string;
  home: string;
  /** Content of all checkpoints. */
  file: string;
  sha256: string;
  /** `process` as in production; `here` mirrors in the worker itself. */
  mode: 'process' | 'here';
}

const ChildOutput = z.object({ pids: z.array(z.int()) });

export async function startMirroringWorker(options: MirroringOptions): Promise<MirroringWorker> {
  const { cores, env, address, home, file, sha256, mode } = options;
  const program = `${projectRoot}/test/bench/mirroring-child.ts`;
  const argv = ['-c', cores, process.execPath, program, address, home, file, sha256, mode];
  const child = spawn('taskset', argv, { env, stdio: ['pipe', 'pipe', 'inherit'], cwd: projectRoot });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const readPids = async () => {
    const next = await lines.next();
    if (next.done === true) throw new Error('the mirroring worker exited');
    return ChildOutput.parse(JSON.parse(next.value));
  };
  let { pids } = await readPids();
  return {
    upload: async () => {
      child.stdin.write('next\n');
      ({ pids } = await readPids());
    },
    cpuSeconds: () => pids.reduce((sum, pid) => sum + (readCounters(pid)?.cpuSeconds ?? NaN), 0),
    stop: async () => {
      child.stdin.end();
      if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
    },
  };
}
