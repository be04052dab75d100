/**
 * Measures the time from a kill to the next step under everswin, `torchrun --max-restarts` and a shell loop, compared
 * with a bare start of the same trainer: `node test/bench/recovery.ts --seed 1 --repeats 20 --out FILE`.
 */
import { statSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { z } from 'zod';
import { parseJson } from '../chaos/job-record.ts';
import { Random } from '../chaos/random.ts';
import { everswin, intervalSeconds, shellLoop, startBareTrainer, torchrun, type Contender } from './contenders.ts';
import { findRecovery, iterationOf, newestCheckpoint, newestRank, until, type Recovery } from './job.ts';
import type { BareJob } from './mini.ts';
import {
  saveRecord,
  printFigures,
  quantile,
  readArguments,
  readEnvironment,
  summarize,
  type Figure,
} from './record.ts';
import { startBenchStack } from './stack.ts';

interface Sample extends Recovery {
  repeat: number;
  contender: string;
  killedAt: number;
  killedAtStep: number;
  /** Load average of the machine before the kill. */
  load: number;
  seconds: number;
  /** When the supervisor of the killed rank had exited, and when the next one started; everswin only. */
  endedAt: number | null;
  supervisedAt: number | null;
}

interface ColdStart {
  repeat: number;
  torchrun: boolean;
  seconds: number;
}

const Owner = z.looseObject({ startedAt: z.number() });

const bench = readArguments(20);
const environment = await readEnvironment(bench, 'recovery.ts');
const root = await mkdtemp(`${tmpdir()}/everswin-bench-bare-`);
const stack = await startBenchStack();
const contenders = [
  everswin(stack, false),
  everswin(stack, true),
  torchrun(root),
  shellLoop(root, 1),
  shellLoop(root, 0),
];
const samples: Sample[] = [];
const coldStarts: ColdStart[] = [];
/** Contenders that did not resume after a kill, with the reason. */
const failures: { repeat: number; contender: string; why: string }[] = [];
try {
  for (let repeat = 0; repeat < bench.repeats; repeat++) {
    const killStep = Math.floor(new Random(`${bench.seed} ${repeat}`).between(80, 160));
    // The order rotates, so that no contender is always first.
    const order = contenders.map((_, place) => contenders[(place + repeat) % contenders.length]);
    for (const contender of order) if (contender !== undefined) await tryMeasure(contender, repeat, killStep);
  }
  const cold = (withTorchrun: boolean) =>
    coldStarts.flatMap((one) => (one.torchrun === withTorchrun ? [one.seconds] : []));
  const figures = [
    ...recoveryFigures(cold(false), cold(true)),
    ...partFigures('everswin'),
    ...partFigures('everswin, torchrun below'),
  ];
  printFigures(figures);
  const commands = Object.fromEntries(contenders.map(({ name, command }) => [name, command]));
  await saveRecord(bench.out, {
    ...environment,
    intervalSeconds,
    commands,
    figures,
    raw: { samples, failures, coldStarts },
  });
} finally {
  await stack.stop();
  await rm(root, { recursive: true, force: true });
}

async function tryMeasure(contender: Contender, repeat: number, killStep: number): Promise<void> {
  try {
    await measure(contender, repeat, killStep);
  } catch (error) {
    failures.push({ repeat, contender: contender.name, why: String(error) });
    console.log(`${contender.name}, repeat ${repeat}: ${String(error)}`);
  }
}

async function measure({ name, start }: Contender, repeat: number, killStep: number): Promise<void> {
  const running = await start(`run-${repeat}-${samples.length}`);
  const { jobDir } = running;
  await until(() => iterationOf(jobDir) >= killStep, `step ${killStep}`);
  const rank = newestRank(jobDir);
  if (rank === undefined) throw new Error('the trainer did not report its pid');
  const [load = 0] = loadavg();
  const killedAt = Date.now() / 1000;
  process.kill(rank, 'SIGKILL');
  const killedAtStep = iterationOf(jobDir);
  let endedAt: number | null = null;
  const poll = () => {
    endedAt ??= changedAt(`${jobDir}/exit.json`);
    return findRecovery(jobDir, killedAt);
  };
  const recovery = await until(poll, `${name} to resume`);
  const supervisedAt = await readSupervisedAt(jobDir);
  samples.push({
    repeat,
    contender: name,
    killedAt,
    killedAtStep,
    load,
    ...recovery,
    seconds: recovery.firstStepAt - killedAt,
    endedAt,
    supervisedAt,
  });
  const job = await running.end();
  // Once each per repeat, on a job of the same age as the measured ones.
  if (job !== undefined && name === 'shell loop')
    for (const below of [false, true]) await measureColdStart(job, repeat, below);
}

/** Measures the time from exec of the trainer to its first step, from the checkpoint that a crash left. */
async function measureColdStart(job: BareJob, repeat: number, torchrun: boolean): Promise<void> {
  const checkpoint = newestCheckpoint(job.dir);
  if (checkpoint === undefined) throw new Error('expected a checkpoint to start from');
  const begin = Date.now() / 1000;
  const end = startBareTrainer(job, checkpoint.path, torchrun);
  const { firstStepAt } = await until(() => findRecovery(job.dir, begin), 'the bare trainer');
  end();
  coldStarts.push({ repeat, torchrun, seconds: firstStepAt - begin });
}

/** Returns null for a missing file. */
function changedAt(path: string): number | null {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? null : found.mtimeMs / 1000;
}

async function readSupervisedAt(jobDir: string): Promise<number | null> {
  const text = await readFile(`${jobDir}/owner.json`, 'utf8').catch(() => '');
  return Owner.safeParse(parseJson(text)).data?.startedAt ?? null;
}

/** Subtracts the median of the matching bare start; torchrun's own restarts start only the rank. */
function recoveryFigures(cold: number[], coldWithTorchrun: number[]): Figure[] {
  const ofContender = contenders.flatMap(({ name }) => {
    const below = name === 'everswin, torchrun below';
    const start = quantile(below ? coldWithTorchrun : cold, 0.5);
    const seconds = samples.filter(({ contender }) => contender === name).map((one) => one.seconds);
    const ours = name.startsWith('everswin');
    return [
      summarize(`${name}: kill to first new step`, 's', seconds),
      summarize(
        `${name}: the same beyond a bare start`,
        's',
        seconds.map((one) => one - start),
        ours ? 'p95 <= 2' : null,
      ),
      summarize(
        `${name}: steps lost`,
        'steps',
        samples.filter(({ contender }) => contender === name).map((one) => one.stepsLost),
      ),
    ];
  });
  const bare = [summarize('bare start', 's', cold), summarize('bare start, torchrun around', 's', coldWithTorchrun)];
  return [...bare, ...ofContender];
}

/** Splits the recovery time into its parts. */
function partFigures(name: string): Figure[] {
  const found = samples.filter(({ contender }) => contender === name);
  const part = (what: string, from: (one: Sample) => number | null, to: (one: Sample) => number | null) =>
    summarize(
      `${name}: ${what}`,
      's',
      found.flatMap((one) => {
        const [begin, end] = [from(one), to(one)];
        return begin === null || end === null ? [] : [end - begin];
      }),
    );
  return [
    part(
      'part 1, kill to the end of its supervisor',
      (one) => one.killedAt,
      (one) => one.endedAt,
    ),
    part(
      'part 2, to the next supervisor',
      (one) => one.endedAt,
      (one) => one.supervisedAt,
    ),
    part(
      'part 3, to the first step',
      (one) => one.supervisedAt,
      (one) => one.firstStepAt,
    ),
  ];
}
