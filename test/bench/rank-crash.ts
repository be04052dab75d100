/**
 * Measures the time from `kill -9` of a rank to the first step of the next attempt, with real MMDetection on the demo,
 * without and with a standby trainer: `node test/bench/rank-crash.ts --seed 1 --repeats 10 --out FILE`.
 */
import { readFileSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { z } from 'zod';
import { ensureMiniCoco } from '../../activities/inputs/mini-coco.ts';
import { runFolder, type JobFolder } from '../../configs/paths.ts';
import { stackMarker } from '../../infra/stack/stack-file.ts';
import { toolPath, trainerEnv } from '../../workers/env.ts';
import { parseJson, readEvents } from '../chaos/job-record.ts';
import { findMarked } from '../chaos/processes.ts';
import { Random } from '../chaos/random.ts';
import { everswin, killAll, type Run } from './comparison-contenders.ts';
import { findRecovery, until } from './job.ts';
import {
  printFigures,
  quantile,
  readArguments,
  readEnvironment,
  saveRecord,
  summarize,
  type Figure,
} from './record.ts';

/** Times are Unix seconds. */
interface Sample {
  contender: string;
  repeat: number;
  /** Load average before the kill. */
  load: number;
  killedAt: number;
  /** End of the supervisor. */
  endedAt: number;
  /** Start of the next supervisor. */
  supervisedAt: number;
  /** First heartbeat of a rank, which has imported torch. */
  rankAt: number;
  /** Model, optimizer, data set and checkpoint are loaded. */
  startedAt: number;
  firstStepAt: number;
  stepsLost: number;
}

const Owner = z.looseObject({ startedAt: z.number() });
const Step = z.looseObject({ t: z.number(), stepSeconds: z.number() });
const secondsToLive = 300;
/** A standby that sleeps for so long has imported everything. */
const idleMs = 1_000;
const mebibyte = 1024;

type Moment = Exclude<keyof Sample, 'contender' | 'repeat' | 'load' | 'stepsLost'>;

/** Parts of a recovery. */
const parts: [name: string, from: Moment, to: Moment][] = [
  ['kill to the end of the supervisor', 'killedAt', 'endedAt'],
  ['to the next supervisor', 'endedAt', 'supervisedAt'],
  ['to the first heartbeat of the rank', 'supervisedAt', 'rankAt'],
  ['to the start of training', 'rankAt', 'startedAt'],
  ['to the first step', 'startedAt', 'firstStepAt'],
  ['kill to the first step', 'killedAt', 'firstStepAt'],
];

const bench = readArguments(10);
const environment = await readEnvironment(bench, 'rank-crash.ts');
const home = await mkdtemp(`${tmpdir()}/everswin-rank-crash-`);
const samples: Sample[] = [];
const figures: Figure[] = [];
/** Memory of waiting standbys that no other process shares, in MiB. */
const standbyMib: number[] = [];
try {
  await ensureMiniCoco({ home, python: { executable: toolPath(home, 'python'), env: trainerEnv() } });
  for (const standby of [false, true]) await measureContender(standby);
  figures.push(summarize('memory of a waiting standby', 'MiB', standbyMib));
  printFigures(figures);
  await saveRecord(bench.out, { ...environment, figures, raw: { samples, standbyMib } });
} finally {
  await killAll(() => findMarked(stackMarker, home));
  await rm(home, { recursive: true, force: true });
}

async function measureContender(standby: boolean): Promise<void> {
  const name = standby ? 'with a standby' : 'without';
  // A checkpoint every three seconds, so that each failure follows a new one and no attempt counts as a failure.
  const changes = { epochs: 100, checkpoint: { everyMinutes: 0.05 }, recovery: { standby } };
  const runId = standby ? 'rank-crash-standby' : 'rank-crash';
  const run = await everswin(home, changes).start(runId);
  try {
    const { train } = runFolder(home, runId);
    for (let repeat = 0; repeat < bench.repeats; repeat++) {
      if (standby) await untilStandby(train);
      samples.push({ contender: name, repeat, ...(await measure(run, train, repeat)) });
      console.log(JSON.stringify(samples.at(-1)));
    }
    figures.push(...summarizeContender(name, quantile(readStepSeconds(train), 0.5)));
  } finally {
    await run.end();
  }
}

async function untilStandby({ dir }: JobFolder): Promise<void> {
  let since = Date.now();
  const poll = () => {
    const [found] = findMarked('PYTHONPATH', trainerEnv()['PYTHONPATH'] ?? '').filter(
      ({ argv }) => argv[3] === 'standby' && argv.includes(dir),
    );
    if (found?.state !== 'S') since = Date.now();
    return Date.now() - since > idleMs ? found : undefined;
  };
  const { pid } = await until(poll, 'a standby', secondsToLive);
  const [, kibibytes = '0'] = /Private_Dirty:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? [];
  standbyMib.push(Number(kibibytes) / mebibyte);
}

async function measure(run: Run, job: JobFolder, repeat: number): Promise<Omit<Sample, 'contender' | 'repeat'>> {
  const rank = await until(() => findSettledRank(run, job, repeat), 'a rank with a new checkpoint', secondsToLive);
  const [load = 0] = loadavg();
  const killedAt = Date.now() / 1000;
  process.kill(rank, 'SIGKILL');
  let [endedAt, size] = [NaN, 0];
  // Parses the events only after a change, because the measured processes need the cores.
  const poll = () => {
    if (Number.isNaN(endedAt)) endedAt = changedAt(job.exit);
    const found = statSync(job.progress).size;
    if (found === size) return undefined;
    size = found;
    return findRecovery(job.dir, killedAt);
  };
  const { startedAt, firstStepAt, stepsLost } = await until(poll, 'the first step', secondsToLive);
  const owner = Owner.parse(parseJson(await readFile(job.owner, 'utf8')));
  const rankAt = statSync(`${job.dir}/heartbeats/0`).birthtimeMs / 1000;
  return { load, killedAt, endedAt, supervisedAt: owner.startedAt, rankAt, startedAt, firstStepAt, stepsLost };
}

/** Returns the rank once it has saved and made a seeded number of further steps, but not during validation. */
function findSettledRank(run: Run, { dir }: JobFolder, repeat: number): number | undefined {
  const events = readEvents(dir);
  const since = events.slice(events.findLastIndex(({ type }) => type === 'started'));
  const saved = since.findIndex(({ type }) => type === 'checkpoint');
  const steps = saved < 0 ? 0 : since.slice(saved).filter(({ type }) => type === 'step').length;
  const last = events.at(-1);
  if (steps < new Random(`${bench.seed} ${repeat}`).between(3, 20) || last?.type !== 'step') return undefined;
  return Date.now() / 1000 - last.t > 0.2 ? undefined : run.ranks()[0]?.pid;
}

/** Returns NaN for a missing file. */
function changedAt(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? NaN) / 1000;
}

function readStepSeconds({ dir }: JobFolder): number[] {
  return readEvents(dir).flatMap((event) => {
    const step = Step.safeParse(event);
    return event.type === 'step' && step.success ? [step.data.stepSeconds] : [];
  });
}

function summarizeContender(name: string, stepSeconds: number): Figure[] {
  const own = samples.filter(({ contender }) => contender === name);
  const beyond = own.map(({ killedAt, firstStepAt }) => firstStepAt - killedAt - stepSeconds);
  return [
    ...parts.map(([part, from, to]) =>
      summarize(
        `${name}: ${part}`,
        's',
        own.map((one) => one[to] - one[from]),
      ),
    ),
    summarize(`${name}: the same beyond the step`, 's', beyond, name === 'without' ? null : 'p95 <= 3'),
  ];
}
