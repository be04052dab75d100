/** Simulates seeds in several processes. */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { SimulationResult } from './simulation.ts';
import { addSummaries, emptySummary, type Summary } from './summary.ts';
import { bundleWorkflows } from './workflow-vm.ts';

export interface SeedsRequest {
  from: number;
  count: number;
  /** Ends with the first violation. */
  stopsAtViolation: boolean;
}

export interface SeedRequest {
  seed: number;
  /** Numbers of the faults and requests to keep; all if undefined. */
  only: number[] | undefined;
  isTraced: boolean;
}

export type JobRequest = SeedsRequest | SeedRequest;

interface SeedRange extends SeedsRequest {
  jobs: number;
  /** @param latest summary of the seeds since the last call. */
  onProgress: (total: Summary, latest: Summary) => void;
  /** Ends the range early; the result then covers the seeds until now. */
  signal?: AbortSignal;
}

/** Seeds that a process simulates before it asks for more. */
const chunk = 25;

/** Simulates a range of seeds. @param checkout whose workflows and activities run. */
export const simulateRange = (
  checkout: string,
  { from, count, stopsAtViolation, jobs, onProgress, signal }: SeedRange,
) =>
  withJobs(checkout, jobs, async (children): Promise<Summary> => {
    let next = from;
    let total = emptySummary;
    const runJob = async (child: ChildProcess): Promise<void> => {
      while (next < from + count && !signal?.aborted && !(stopsAtViolation && total.failures.length > 0)) {
        const request = { from: next, count: Math.min(chunk, from + count - next), stopsAtViolation };
        next += request.count;
        const summary = (await ask(child, request)) as Summary;
        total = addSummaries(total, summary);
        onProgress(total, summary);
      }
    };
    await Promise.all(children.map(runJob));
    return total;
  });

/** Repeats one seed and prints what happens. */
export const simulateOne = (checkout: string, request: SeedRequest): Promise<SimulationResult> =>
  withJobs(checkout, 1, async ([child]) => {
    if (child === undefined) throw new Error('no process was started');
    return (await ask(child, request)) as SimulationResult;
  });

async function withJobs<T>(
  checkout: string,
  count: number,
  work: (children: ChildProcess[]) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(`${tmpdir()}/everswin-simulation-`);
  const bundle = `${folder}/workflows.js`;
  await writeFile(bundle, await bundleWorkflows(`${checkout}/workflows/index.ts`));
  const program = `${checkout}/test/simulation/job.ts`;
  const execArgv = ['--import', `${checkout}/test/simulation/module-hooks.ts`];
  const children = Array.from({ length: count }, () => fork(program, [bundle], { execArgv, stdio: 'inherit' }));
  try {
    await Promise.all(children.map((child) => nextMessage(child)));
    return await work(children);
  } finally {
    for (const child of children) child.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

function ask(child: ChildProcess, request: JobRequest): Promise<unknown> {
  const answered = nextMessage(child);
  child.send(request);
  return answered;
}

const nextMessage = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`a process of the simulation ended with code ${code}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message);
    });
  });
