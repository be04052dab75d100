/**
 * From a kill to the next step, under everswin, `torchrun --max-restarts` and a shell loop, beside a bare start of the same
 * trainer: `node --import tsx test/bench/recovery.ts --seed 1 --repeats 20 --out FILE`.
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
import { keep, printFigures, quantile, readArguments, readSurroundings, summarize, type Figure } from './record.ts';
import { startBenchStack } from './stack.ts';

interface Sample extends Recovery {
  repeat: number;
  contender: string;
  killedAt: number;
  killedAtStep: number;
  /** Of the machine, over the minute before the kill: others may work on it, too. */
  load: number;
  seconds: number;
  /** When the supervisor of the killed rank had ended, and the next one ran; everswin only. */
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
const surroundings = await readSurroundings(bench, 'recovery.ts');
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
/** Who never went on after a kill, and why we think so. */
const failures: { repeat: number; contender: string; why: string }[] = [];
try {
  for (let repeat = 0; repeat < bench.repeats; repeat++) {
    const killStep = Math.floor(new Random(`${bench.seed} ${repeat}`).between(80, 160));
    // Nobody always comes first.
    const order = contenders.map((_, place) => contenders[(place + repeat) % contenders.length]);
    for (const contender of order) if (contender !== undefined) await measureOrNote(contender, repeat, killStep);
  }
  const cold = (wanted: boolean) => coldStarts.flatMap((one) => (one.torchrun === wanted ? [one.seconds] : []));
  const figures = [
    ...describeRecoveries(cold(false), cold(true)),
    ...describeParts('everswin'),
    ...describeParts('everswin, torchrun below'),
  ];
  printFigures(figures);
  const commands = Object.fromEntries(contenders.map(({ name, command }) => [name, command]));
  await keep(bench.out, {
    ...surroundings,
    intervalSeconds,
    commands,
    figures,
    raw: { samples, failures, coldStarts },
  });
} finally {
  await stack.stop();
  await rm(root, { recursive: true, force: true });
}

async function measureOrNote(contender: Contender, repeat: number, killStep: number): Promise<void> {
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
  if (rank === undefined) throw new Error('the trainer did not say which process it is');
  const [load = 0] = loadavg();
  const killedAt = Date.now() / 1000;
  process.kill(rank, 'SIGKILL');
  const killedAtStep = iterationOf(jobDir);
  let endedAt: number | null = null;
  const look = () => {
    endedAt ??= changedAt(`${jobDir}/exit.json`);
    return findRecovery(jobDir, killedAt);
  };
  const recovery = await until(look, `${name} to go on`);
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
  // Once each in a repeat, on a job that is as old as those that were measured.
  if (job !== undefined && name === 'shell loop')
    for (const below of [false, true]) await measureColdStart(job, repeat, below);
}

/** From exec of the trainer to its first step, on the checkpoint that a crash left. */
async function measureColdStart(job: BareJob, repeat: number, torchrun: boolean): Promise<void> {
  const checkpoint = newestCheckpoint(job.dir);
  if (checkpoint === undefined) throw new Error('there is no checkpoint to start from');
  const begin = Date.now() / 1000;
  const end = startBareTrainer(job, checkpoint.path, torchrun);
  const { firstStepAt } = await until(() => findRecovery(job.dir, begin), 'the bare trainer');
  end();
  coldStarts.push({ repeat, torchrun, seconds: firstStepAt - begin });
}

/** Null where there is no such file. */
function changedAt(path: string): number | null {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? null : found.mtimeMs / 1000;
}

async function readSupervisedAt(jobDir: string): Promise<number | null> {
  const text = await readFile(`${jobDir}/owner.json`, 'utf8').catch(() => '');
  return Owner.safeParse(parseJson(text)).data?.startedAt ?? null;
}

/** Minus the median of the bare start of what is started again: torchrun's own restarts start the rank alone. */
function describeRecoveries(cold: number[], coldWithTorchrun: number[]): Figure[] {
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

/** Where the time goes. */
function describeParts(name: string): Figure[] {
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
