/**
 * The GPU worker and the Temporal server are killed while a trainer works: what it notices, and how soon it is watched
 * again: `node --import tsx test/bench/outages.ts --seed 1 --repeats 20 --out FILE`.
 *
 * First one kill of each in a run, run after run; then some workers one after the other in one run.
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
import { keep, printFigures, readArguments, readSurroundings, summarize } from './record.ts';
import { startBenchStack } from './stack.ts';

interface Outage {
  victim: 'gpu-worker' | 'temporal-server';
  at: number;
  /** Of the machine, over the minute before the kill: others may work on it, too. */
  load: number;
  /** A restarted worker watches the trainer again, or the restarted server answers. */
  backSeconds: number;
  /** The longest wait between two steps in the seconds after the kill, and in as many before it. */
  gapSeconds: number;
  gapBeforeSeconds: number;
}

interface Run {
  outages: Outage[];
  trainerStarts: number;
  stepsDone: number;
  stepsRepeated: number;
}

/** The default one: no save falls into what is measured. */
const intervalSeconds = 600;
/** The stack restarts at once only what lived for ten seconds. */
const calmSeconds = 10.5;
const windowSeconds = 4;
const seriesLength = 6;

const Watcher = z.looseObject({ pid: z.int() });

const bench = readArguments(20);
const surroundings = await readSurroundings(bench, 'outages.ts');
const random = new Random(`${bench.seed} outages`);
const stack = await startBenchStack();
try {
  const runs: Run[] = [];
  for (let repeat = 0; repeat < bench.repeats; repeat++) runs.push(await disturb(`run-${repeat}`, killBoth));
  const series = await disturb('series', killWorkers);
  const figures = describe(runs.flatMap(({ outages }) => outages));
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
  await keep(bench.out, { ...surroundings, figures, counts, raw: { runs, series } });
} finally {
  await stack.stop();
}

type Kill = Omit<Outage, 'gapSeconds' | 'gapBeforeSeconds'>;

/** One training, in which `kills` are carried out. */
async function disturb(name: string, kills: (watcher: string) => Promise<Kill[]>): Promise<Run> {
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
  const { pid, ...blow } = await killOne(stack.gpuWorker);
  const adoptedAt = await until(() => watchedSince(watcher, pid), 'the next worker to watch the trainer', 120);
  return { victim: 'gpu-worker', ...blow, backSeconds: adoptedAt - blow.at };
}

async function killServer(): Promise<Kill> {
  const { at, load } = await killOne(stack.server);
  await stack.serverAnswers();
  return { victim: 'temporal-server', at, load, backSeconds: Date.now() / 1000 - at };
}

async function killOne(victim: SupervisedProcess): Promise<{ pid: number; at: number; load: number }> {
  await sleep(1000 * (calmSeconds + random.next()));
  const pid = await until(() => victim.pid, victim.name);
  const [load = 0] = loadavg();
  const at = Date.now() / 1000;
  process.kill(pid, 'SIGKILL');
  return { pid, at, load };
}

/** When somebody else than `pid` began to watch. */
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

function describe(outages: Outage[]) {
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
