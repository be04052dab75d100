/**
 * Measures the time to a fixed step under one seeded fault plan: everswin, `torchrun --max-restarts` and a shell loop,
 * all with real MMDetection. `node test/bench/comparison.ts --seeds 10 --out FILE`. Each finished run is saved at once,
 * and a new call continues with the missing ones. Needs root, because it mounts small disks to fill them.
 */
import { existsSync, statSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { homeFolders } from '../../configs/paths.ts';
import { stackMarker } from '../../infra/stack/stack-file.ts';
import { ensureMiniCoco } from '../../activities/inputs/mini-coco.ts';
import { toolPath, trainerEnv } from '../../workers/env.ts';
import { fillDisk, freeze, mountSmallDisk, unmountAll } from '../chaos/lasting-faults.ts';
import { findMarked } from '../chaos/processes.ts';
import {
  everswin,
  hashWeights,
  killAll,
  prepareStock,
  shellLoop,
  targetStep,
  torchrun,
  type Contender,
  type Run,
  type Step,
} from './comparison-contenders.ts';
import { planFaults, type PlannedFault } from './comparison-faults.ts';
import { quantile, readEnvironment, saveRecord } from './record.ts';

const pollMs = 200;
const diskMib = 192;
/** How long a machine takes to boot, and a full disk stays full. */
const [bootMs, fullMs] = [5_000, 20_000];
/** A person notices a training that makes no progress for so long; a starting trainer gets more time. */
const [noticeSeconds, startSeconds] = [120, 300];
const deadlineSeconds = 2400;
const undisturbed = 'undisturbed';

const Result = z.object({
  seed: z.string(),
  contender: z.string(),
  /** Unix seconds. */
  startedAt: z.number(),
  /** To the target step and its complete checkpoint; null if neither was reached. */
  seconds: z.number().nullable(),
  /** Share of the time in the steps that count. */
  ettr: z.number().nullable(),
  medianStepSeconds: z.number(),
  stepsRepeated: z.int(),
  humanActions: z.int(),
  weights: z.string().nullable(),
  faults: z.array(z.object({ kind: z.string(), step: z.int(), at: z.number() })),
  load: z.array(z.number()),
});
type Result = z.infer<typeof Result>;
const Saved = z.looseObject({ raw: z.array(Result) });

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '10' }, out: { type: 'string' } },
});
const { seeds, out } = values;
const environment = await readEnvironment({ seed: `1 to ${seeds}`, repeats: Number(seeds), out }, 'comparison.ts');
environment.command = `node test/bench/comparison.ts --seeds ${seeds}${out === undefined ? '' : ` --out ${out}`}`;
const results = out !== undefined && existsSync(out) ? Saved.parse(JSON.parse(await readFile(out, 'utf8'))).raw : [];

const root = `${tmpdir()}/everswin-comparison`;
const home = `${root}/home`;
const contenders = [everswin(home), torchrun(`${root}/torchrun`), shellLoop(`${root}/loop`)];
await mkdir(home, { recursive: true });
await ensureMiniCoco({ home, python: { executable: toolPath(home, 'python'), env: trainerEnv() } });
await unmountAll(root, false); // of a call that was killed
for (const { disk } of contenders) await mountSmallDisk(disk, diskMib);
const interrupted = new AbortController();
process.on('SIGINT', () => interrupted.abort());
process.on('SIGTERM', () => interrupted.abort());
try {
  for (const name of ['torchrun', 'loop']) await prepareStock(`${root}/${name}`, homeFolders(home).demoFiles);
  const plans = [undisturbed, ...Array.from({ length: Number(seeds) }, (_, index) => String(index + 1))];
  for (const [index, seed] of plans.entries()) {
    // The order rotates, so that no contender is always first.
    const order = contenders.map((_, place) => contenders[(place + index) % contenders.length]);
    for (const contender of order) {
      if (contender === undefined || results.some((one) => one.seed === seed && one.contender === contender.name))
        continue;
      const result = await measure(contender, seed);
      results.push(result);
      console.log(JSON.stringify(result));
      await saveRecord(out, { ...environment, commands: listCommands(), figures: summarize(), raw: results });
    }
  }
} finally {
  await killAll(() => findMarked(stackMarker, home));
  await unmountAll(root, false);
}
console.table(summarize());

function listCommands(): Record<string, string> {
  return Object.fromEntries(contenders.map(({ name, command }) => [name, command]));
}

async function measure(contender: Contender, seed: string): Promise<Result> {
  const load = loadavg();
  const startedAt = Date.now() / 1000;
  const run = await contender.start(`seed-${seed}`);
  try {
    const pending = seed === undisturbed ? [] : planFaults(seed, targetStep);
    const faults: Result['faults'] = [];
    let humanActions = 0;
    let progress = { pids: '', steps: 0, at: performance.now(), limit: startSeconds };
    while (run.result() === undefined || highest(run.steps()) < targetStep) {
      interrupted.signal.throwIfAborted();
      if (Date.now() / 1000 - startedAt > deadlineSeconds) break;
      const steps = run.steps();
      // A new process and a new step are both progress.
      const pids = run
        .ranks()
        .map(({ pid }) => pid)
        .join();
      // A training without a process is noticed as soon as one without a step.
      const limit = pids === '' ? noticeSeconds : startSeconds;
      if (pids !== progress.pids) progress = { pids, steps: steps.length, at: performance.now(), limit };
      else if (steps.length > progress.steps)
        progress = { pids, steps: steps.length, at: performance.now(), limit: noticeSeconds };
      const [next] = pending;
      if (next !== undefined && highest(steps) >= next.step && (await inject(next, run, contender.disk))) {
        pending.shift();
        faults.push({ kind: next.kind, step: highest(steps), at: Date.now() / 1000 });
      }
      if (performance.now() - progress.at > 1000 * progress.limit) {
        humanActions += 1;
        await run.intervene();
        progress = { ...progress, at: performance.now(), limit: startSeconds };
      }
      await sleep(pollMs);
    }
    const steps = run.steps();
    const result = run.result();
    const seconds = result === undefined ? null : statSync(result).mtimeMs / 1000 - startedAt;
    const medianStepSeconds = quantile(listDurations(steps), 0.5);
    return {
      seed,
      contender: contender.name,
      startedAt,
      seconds,
      ettr: seconds === null ? null : (targetStep * medianStepSeconds) / seconds,
      medianStepSeconds,
      stepsRepeated: steps.length - new Set(steps.map(({ iteration }) => iteration)).size,
      humanActions,
      weights: result === undefined ? null : ((await hashWeights(result)) ?? null),
      faults,
      load,
    };
  } finally {
    await run.end();
  }
}

function highest(steps: readonly Step[]): number {
  return Math.max(0, ...steps.map(({ iteration }) => iteration));
}

/** @returns false while the process to disturb does not run. */
async function inject({ kind }: PlannedFault, run: Run, disk: string): Promise<boolean> {
  const victims = kind === 'launcher killed' ? run.launchers() : run.ranks();
  if (kind !== 'disk full' && victims.length === 0) return false;
  switch (kind) {
    case 'rank killed':
    case 'launcher killed':
      for (const { pid } of victims) process.kill(pid, 'SIGKILL');
      return true;
    case 'rank frozen':
      freeze(victims);
      return true;
    case 'machine killed':
      await killAll(run.all);
      await sleep(bootMs);
      await run.boot();
      return true;
    case 'disk full': {
      const end = await fillDisk(`${disk}/.full`);
      setTimeout(() => void end(), fullMs);
      return true;
    }
    default:
      return kind satisfies never;
  }
}

/** Returns the durations of steps that followed each other in one process. */
function listDurations(steps: readonly Step[]): number[] {
  return steps.flatMap(({ iteration, at }, index) => {
    const before = steps[index - 1];
    return before?.iteration === iteration - 1 ? [at - before.at] : [];
  });
}

/** Summarizes the disturbed runs of each contender. */
function summarize() {
  return contenders.map(({ name }) => {
    const ours = results.filter((one) => one.contender === name);
    const reference = ours.find((one) => one.seed === undisturbed);
    const disturbed = ours.filter((one) => one.seed !== undisturbed);
    const finished = disturbed.flatMap(({ seconds }) => (seconds === null ? [] : [seconds]));
    return {
      contender: name,
      runs: disturbed.length,
      finished: finished.length,
      undisturbedSeconds: reference?.seconds ?? null,
      medianSeconds: quantile(finished, 0.5),
      medianEttr: quantile(
        disturbed.flatMap(({ ettr }) => (ettr === null ? [] : [ettr])),
        0.5,
      ),
      medianStepsRepeated: quantile(
        disturbed.map((one) => one.stepsRepeated),
        0.5,
      ),
      equalWeights: disturbed.filter(({ weights }) => weights !== null && weights === reference?.weights).length,
      humanActions: disturbed.reduce((sum, one) => sum + one.humanActions, 0),
    };
  });
}
