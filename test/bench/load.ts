/**
 * Starts many runs at once and measures the control plane: start, status queries and updates, and the memory of the
 * control worker for each open run: `node test/bench/load.ts --runs 100 --queries 1000 --busy 33 --out FILE`.
 *
 * Real server and workers, stubbed activities. It measures twice: without other load, and next to `--busy` processes
 * that compute without end.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import pMap from 'p-map';
import { z } from 'zod';
import { statusQueryName, updateNames, workflowId } from '../../configs/names.ts';
import { RunStatus } from '../../configs/schema/index.ts';
import { startRun } from '../../infra/client/start-run.ts';
import { miniInput } from '../helpers/mini-run.ts';
import { printFigures, quantile, readEnvironment, saveRecord, summarize, type Figure } from './record.ts';
import { startBenchStack, type BenchStack } from './stack.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    queries: { type: 'string', default: '1000' },
    busy: { type: 'string', default: '33' },
    'busy-only': { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});
const [runs, queries, busy] = [values.runs, values.queries, values.busy].map(Number) as [number, number, number];

/** Commands in flight at once. */
const concurrency = 10;

/** TIMEOUT_TYPE_SCHEDULE_TO_START of the Temporal API. */
const scheduleToStart = 2;

interface Series {
  seconds: number[];
  errors: string[];
}

interface Measurement {
  figures: Figure[];
  counts: Record<string, number | string[]>;
  /** Load averages after the updates. */
  load: number[];
  samples: Record<string, number[]>;
}

const environment = await readEnvironment({ seed: '1', repeats: 1, out: values.out }, 'load.ts');
const measurements: Record<string, Measurement> = {};
if (!values['busy-only']) measurements['quiet'] = await measure('quiet');
if (busy > 0) {
  const stopLoad = startLoad(busy);
  try {
    measurements['busy'] = await measure('busy');
  } finally {
    stopLoad();
  }
}
const command = `node test/bench/load.ts --runs ${runs} --queries ${queries} --busy ${busy}`;
await saveRecord(values.out, { ...environment, command, measurements });

async function measure(name: string): Promise<Measurement> {
  const stack = await startBenchStack('load-worker.ts');
  try {
    console.log(`\n${name}`);
    return await measureStack(stack, name);
  } finally {
    await stack.stop();
  }
}

async function measureStack(stack: BenchStack, name: string): Promise<Measurement> {
  const { client } = stack;
  // The first run loads everything.
  await startRun(client, { ...miniInput, name: 'warm' });
  await untilTraining(client, 'warm');
  await sleep(1_000);
  const before = readMemory(stack);
  const names = Array.from({ length: runs }, (_, index) => `${name}-${index}`);

  const startedAt = performance.now();
  const starts = await repeat(names, runs, (run) => startRun(client, { ...miniInput, name: run }));
  const allStarted = since(startedAt);
  const training = await repeat(names, concurrency, (run) => untilTraining(client, run));
  const allTraining = since(startedAt);
  await sleep(1_000);
  const open = readMemory(stack);

  const queried = Array.from({ length: queries }, (_, index) => names[index % runs] ?? '');
  const status = await repeat(queried, concurrency, async (run) => {
    RunStatus.parse(await client.workflow.getHandle(workflowId(run)).query(statusQueryName));
  });
  const updates = await repeat(names, concurrency, (run) =>
    client.workflow
      .getHandle(workflowId(run))
      .executeUpdate(updateNames.stopAfterEpoch, { args: [miniInput.epochs, 'bench'] }),
  );
  const load = loadavg();

  await writeFile(`${stack.home}/finish`, '');
  const results = await repeat(names, runs, (run) => client.workflow.getHandle(workflowId(run)).result());
  const taskTimeouts = await countTaskTimeouts(client, names);
  await rm(`${stack.home}/finish`);

  const samples = { start: starts.seconds, query: status.seconds, update: updates.seconds };
  const figures = [
    summarize('start of a run', 's', starts.seconds),
    summarize('status query', 's', status.seconds),
    summarize('update', 's', updates.seconds),
  ].filter(({ n }) => n > 0);
  printFigures(figures);
  const counts = {
    runs,
    queries,
    secondsToStartAll: allStarted,
    secondsToTrainAll: allTraining,
    secondsOfQueries: status.total,
    p99OfStarts: quantile(samples.start, 0.99),
    p99OfQueries: quantile(samples.query, 0.99),
    p99OfUpdates: quantile(samples.update, 0.99),
    failedStarts: starts.errors,
    failedWaits: training.errors,
    failedQueries: status.errors,
    failedUpdates: updates.errors,
    failedRuns: results.errors,
    tasksPickedUpLate: taskTimeouts.pickedUpLate,
    tasksCompletedLate: taskTimeouts.completedLate,
    controlWorkerMib: open.rss,
    controlWorkerHeapMib: open.heap,
    mibPerOpenRun: (open.rss - before.rss) / runs,
    heapMibPerOpenRun: (open.heap - before.heap) / runs,
  };
  console.log(
    Object.fromEntries(
      Object.entries(counts).map(([key, value]) => [
        key,
        Array.isArray(value) ? `${value.length} ${value[0] ?? ''}` : value,
      ]),
    ),
  );
  return { figures, counts, load, samples };
}

async function repeat<T>(
  items: T[],
  atOnce: number,
  work: (item: T) => Promise<unknown>,
): Promise<Series & { total: number }> {
  const [seconds, errors]: [number[], string[]] = [[], []];
  const startedAt = performance.now();
  const timed = async (item: T) => {
    const itemStartedAt = performance.now();
    await work(item).then(
      () => seconds.push(since(itemStartedAt)),
      (error: unknown) => errors.push(`${String(error)} after ${since(itemStartedAt).toFixed(1)} s`),
    );
  };
  await pMap(items, timed, { concurrency: atOnce });
  return { seconds, errors, total: since(startedAt) };
}

function since(startedAt: number): number {
  return (performance.now() - startedAt) / 1000;
}

/** Waits until the run trains, which needs workflow tasks and no activity that could hang. */
async function untilTraining(client: Client, run: string): Promise<void> {
  for (const startedAt = performance.now(); since(startedAt) < 300; await sleep(500)) {
    const status = await client.workflow
      .getHandle(workflowId(run))
      .query<RunStatus>(statusQueryName)
      .catch(() => undefined);
    if (status?.stage === 'training' && status.progress !== null) return;
  }
  throw new Error(`${run} does not train after 300 s`);
}

/** Resident memory from the kernel, heap from the worker itself, in MiB. */
function readMemory(stack: BenchStack): { rss: number; heap: number } {
  const status = readFileSync(`/proc/${stack.controlWorker.pid}/status`, 'utf8');
  const Heap = z.object({ heapUsed: z.number() });
  const { heapUsed } = Heap.parse(JSON.parse(readFileSync(`${stack.home}/control-memory.json`, 'utf8')));
  return { rss: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024, heap: heapUsed / 2 ** 20 };
}

/** Counts the workflow tasks that the worker did not pick up in time, and those that it did not complete in time. */
async function countTaskTimeouts(client: Client, names: string[]) {
  const counts = { pickedUpLate: 0, completedLate: 0 };
  for (const run of names) {
    const { events } = await client.workflow.getHandle(workflowId(run)).fetchHistory();
    for (const { workflowTaskTimedOutEventAttributes: timedOut } of events ?? []) {
      if (Number(timedOut?.timeoutType) === scheduleToStart) counts.pickedUpLate += 1;
      else if (timedOut) counts.completedLate += 1;
    }
  }
  return counts;
}

/** Starts processes that compute without end. @returns a function that ends them. */
function startLoad(count: number): () => void {
  const processes = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );
  return () => processes.forEach((one) => one.kill('SIGKILL'));
}
