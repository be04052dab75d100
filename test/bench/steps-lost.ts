/**
 * Measures the steps lost to a SIGKILL for several checkpoint intervals: `node test/bench/steps-lost.ts
 * --seed 1 --repeats 40 --out FILE`. Runs the fake trainer under its real supervisor, which exits with the rank; the next
 * attempt resumes from the newest valid checkpoint. Temporal does not affect the lost steps, so it is left out.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { superviseArgv } from '../../activities/shared/trainer/trainer-argv.ts';
import { jobFolder } from '../../configs/paths.ts';
import { RecoveryPolicy } from '../../configs/schema/index.ts';
import { readEvents } from '../chaos/job-record.ts';
import { Random } from '../chaos/random.ts';
import { python } from '../helpers/project.ts';
import { attemptOf, iterationOf, newestCheckpoint, until } from './job.ts';
import { createBareJob, miniEnv, type BareJob } from './mini.ts';
import { saveRecord, mean, printFigures, quantile, readArguments, readEnvironment, summarize } from './record.ts';

const intervalsSeconds = [0.5, 1, 2];

interface Loss {
  intervalSeconds: number;
  /** Planned seconds after the first step of the attempt. */
  moment: number;
  stepsLost: number;
  /** Mean of this attempt, including checkpoints. */
  stepSeconds: number | null;
}

const bench = readArguments(40);
const environment = await readEnvironment(bench, 'steps-lost.ts');
const root = await mkdtemp(`${tmpdir()}/everswin-bench-lost-`);
const losses: Loss[] = [];
try {
  for (const interval of intervalsSeconds) {
    const job = await createBareJob(root, 'medium', interval);
    const moments = planMoments(interval, bench.repeats, new Random(`${bench.seed} ${interval}`));
    for (const [index, moment] of moments.entries()) losses.push(await killOnce(job, interval, index + 1, moment));
  }
  const figures = intervalsSeconds.flatMap((interval) =>
    toFigure(losses.filter((one) => one.intervalSeconds === interval)),
  );
  printFigures(figures.map(({ figure }) => figure));
  for (const { verdict } of figures) console.log(verdict);
  await saveRecord(bench.out, { ...environment, figures, raw: losses });
} finally {
  await rm(root, { recursive: true, force: true });
}

/** Draws one moment from each equal part of two intervals, then shuffles: even a few kills cover both intervals. */
function planMoments(interval: number, count: number, random: Random): number[] {
  const moments = Array.from({ length: count }, (_, part) => (2 * interval * (part + random.next())) / count);
  return moments
    .map((moment) => ({ moment, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ moment }) => moment);
}

async function killOnce(job: BareJob, intervalSeconds: number, attempt: number, moment: number): Promise<Loss> {
  const folder = jobFolder(job.dir);
  // The supervisor writes it again when it exits.
  rmSync(folder.exit, { force: true });
  const newest = newestCheckpoint(job.dir);
  const resume = newest === undefined ? [] : ['--resume', newest.path];
  const program = [python, '-m', 'fake_trainer', 'train', ...job.argv, ...resume];
  const log = openSync(folder.log, 'a');
  const { stallSeconds } = RecoveryPolicy.parse({});
  spawn(python, superviseArgv(folder, attempt, stallSeconds, program), {
    env: miniEnv,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);

  await until(
    () => attemptOf(job.dir) === attempt && iterationOf(job.dir) > (newest?.iteration ?? 0),
    'the first step',
  );
  await sleep(moment * 1000);
  process.kill(rankOf(job.dir), 'SIGKILL');
  await until(() => existsSync(folder.exit), 'the supervisor to exit');
  const steps = readEvents(job.dir).filter((event) => event.type === 'step' && event['attempt'] === attempt);
  const [first, last] = [steps.at(0), steps.at(-1)];
  if (first === undefined || last === undefined) throw new Error('expected the trainer to complete a step');
  return {
    intervalSeconds,
    moment,
    stepsLost: (last.iteration ?? 0) - (newestCheckpoint(job.dir)?.iteration ?? 0),
    stepSeconds: steps.length > 1 ? (last.t - first.t) / (steps.length - 1) : null,
  };
}

/** Reads the pid from the heartbeat file, which is cheaper than reading the progress file. */
function rankOf(jobDir: string): number {
  return Number(readFileSync(`${jobDir}/heartbeats/0`, 'utf8').split(' ')[0]);
}

function toFigure(kills: Loss[]) {
  const intervalSeconds = kills[0]?.intervalSeconds ?? 0;
  const stepSeconds = quantile(
    kills.flatMap(({ stepSeconds: one }) => (one === null ? [] : [one])),
    0.5,
  );
  const allowed = intervalSeconds / stepSeconds / 2 + 1;
  const lost = kills.map((one) => one.stepsLost);
  const figure = summarize(
    `interval ${intervalSeconds} s: steps lost by a kill`,
    'steps',
    lost,
    `mean <= ${allowed.toFixed(1)}`,
  );
  const random = new Random(`mean ${intervalSeconds}`);
  const means = Array.from({ length: 2000 }, () => mean(lost.map(() => random.pick(lost))));
  const meanCi95 = [quantile(means, 0.025), quantile(means, 0.975)] as const;
  const range = meanCi95.map((one) => one.toFixed(1)).join(', ');
  const verdict = `interval ${intervalSeconds} s, step ${(1000 * stepSeconds).toFixed(1)} ms: mean ${figure.mean.toFixed(1)} [${range}] steps, allowed ${allowed.toFixed(1)}`;
  return { intervalSeconds, stepSeconds, allowed, meanCi95, verdict, figure };
}
