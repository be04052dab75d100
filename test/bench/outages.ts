/**
 * Kills the GPU worker and the Temporal server during training. Measures the effect on the steps and the time until a
 * worker watches the trainer again: `node test/bench/outages.ts --seed 1 --repeats 20 --out FILE`.
 *
 * Each run gets one kill of each; a last run gets a series of worker kills.
 */
import { readFileSync, statSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { taskQueues, workflowId, workflowTypes } from '../../configs/names.ts';
import { runFolder } from '../../configs/paths.ts';
import type { SupervisedProcess } from '../../infra/stack/supervised-process.ts';
import { parseJson, readEvents, type Event } from '../chaos/job-record.ts';
import { Random } from '../chaos/random.ts';
import { iterationOf, until } from './job.ts';
import { miniInput, recipeName } from './mini.ts';
import { saveRecord, printFigures, readArguments, readEnvironment, summarize } from './record.ts';
import { startBenchStack } from './stack.ts';

interface Outage {
  victim: 'gpu-worker' | 'temporal-server';
  at: number;
  /** Load average of the machine before the kill. */
  load: number;
  /** Until a restarted worker watches the trainer again, or the restarted server answers. */
  backSeconds: number;
  /** Longest gap between two steps within the window after the kill, and within the window before it. */
  gapSeconds: number;
  gapBeforeSeconds: number;
}

interface Run {
  outages: Outage[];
  trainerStarts: number;
  stepsDone: number;
  stepsRepeated: number;
}

/** The default interval: no checkpoint is saved during the measurement. */
const intervalSeconds = 600;
/** The stack restarts a process immediately only if it ran for ten seconds. */
const calmSeconds = 10.5;
const windowSeconds = 4;
const seriesLength = 6;

const Watcher = z.looseObject({ pid: z.int() });

const bench = readArguments(20);
const environment = await readEnvironment(bench, 'outages.ts');
const random = new Random(`${bench.seed} outages`);
const stack = await startBenchStack();
try {
  const runs: Run[] = [];
  for (let repeat = 0; repeat < bench.repeats; repeat++) runs.push(await runWithKills(`run-${repeat}`, killBoth));
  const series = await runWithKills('series', killWorkers);
  const figures = toFigures(runs.flatMap(({ outages }) => outages));
  printFigures(figures);
  const total = (count: (run: Run) => number) => runs.reduce((sum, run) => sum + count(run), 0);
  const counts = {
    runs: runs.length,
    trainerStarts: total((run) => run.trainerStarts),
    stepsDone: total((run) => run.stepsDone),
    stepsRepeated: total((run) => run.stepsRepeated),
  };
  console.log(counts);
  console.log(
    'workers killed in one run, adopted after:',
    series.outages.map((one) => one.backSeconds.toFixed(1)),
  );
  await saveRecord(bench.out, { ...environment, figures, counts, raw: { runs, series } });
} finally {
  await stack.stop();
}

type Kill = Omit<Outage, 'gapSeconds' | 'gapBeforeSeconds'>;

/** Runs one training and injects `kills`. */
async function runWithKills(name: string, kills: (watcher: string) => Promise<Kill[]>): Promise<Run> {
  const handle = await stack.client.workflow.start(workflowTypes.trainDetector, {
    taskQueue: taskQueues.control,
    workflowId: workflowId(name),
    args: [miniInput(name, recipeName('long', false), intervalSeconds)],
  });
  const { dir, watcher } = runFolder(stack.home, name).train;
  await until(() => iterationOf(dir) > 10, 'the first steps');
  const done = await kills(watcher);
  await sleep(1000 * windowSeconds);
  await handle.cancel();
  await handle.result().catch(() => undefined);

  const events = readEvents(dir);
  const steps = events.filter(({ type }) => type === 'step');
  return {
    outages: done.map((one) => ({
      ...one,
      gapSeconds: longestGap(steps, one.at, one.at + windowSeconds),
      gapBeforeSeconds: longestGap(steps, one.at - windowSeconds, one.at),
    })),
    trainerStarts: events.filter(({ type }) => type === 'started').length,
    stepsDone: steps.length,
    stepsRepeated: steps.length - new Set(steps.map(({ iteration }) => iteration)).size,
  };
}

async function killBoth(watcher: string): Promise<Kill[]> {
  return [await killWorker(watcher), await killServer()];
}

async function killWorkers(watcher: string): Promise<Kill[]> {
  const kills: Kill[] = [];
  while (kills.length < seriesLength) kills.push(await killWorker(watcher));
  return kills;
}

async function killWorker(watcher: string): Promise<Kill> {
  const { pid, ...kill } = await killProcess(stack.gpuWorker);
  const adoptedAt = await until(() => watchedSince(watcher, pid), 'the next worker to watch the trainer', 120);
  return { victim: 'gpu-worker', ...kill, backSeconds: adoptedAt - kill.at };
}

async function killServer(): Promise<Kill> {
  const { at, load } = await killProcess(stack.server);
  await stack.waitForServer();
  return { victim: 'temporal-server', at, load, backSeconds: Date.now() / 1000 - at };
}

async function killProcess(victim: SupervisedProcess): Promise<{ pid: number; at: number; load: number }> {
  await sleep(1000 * (calmSeconds + random.next()));
  const pid = await until(() => victim.pid, victim.name);
  const [load = 0] = loadavg();
  const at = Date.now() / 1000;
  process.kill(pid, 'SIGKILL');
  return { pid, at, load };
}

/** Returns when another process than `pid` started watching. */
function watchedSince(path: string, pid: number): number | undefined {
  try {
    const watcher = Watcher.safeParse(parseJson(readFileSync(path, 'utf8'))).data;
    return watcher !== undefined && watcher.pid !== pid ? statSync(path).mtimeMs / 1000 : undefined;
  } catch {
    return undefined; // between two watchers there is no such file
  }
}

function longestGap(steps: Event[], from: number, to: number): number {
  const times = steps.map(({ t }) => t).filter((t) => t >= from && t <= to);
  return Math.max(...times.slice(1).map((t, index) => t - (times[index] ?? t)));
}

function toFigures(outages: Outage[]) {
  return (['gpu-worker', 'temporal-server'] as const).flatMap((victim) => {
    const hits = outages.filter((one) => one.victim === victim);
    const back = hits.map((one) => one.backSeconds);
    const gaps = hits.map((one) => one.gapSeconds);
    const gapsBefore = hits.map((one) => one.gapBeforeSeconds);
    return [
      victim === 'gpu-worker'
        ? summarize('gpu-worker killed: trainer adopted by the next one', 's', back, 'p95 <= 5')
        : summarize('temporal-server killed: server answers again', 's', back),
      summarize(`${victim} killed: longest gap between steps`, 's', gaps),
      summarize(`${victim} killed: the same before the kill`, 's', gapsBefore),
    ];
  });
}
