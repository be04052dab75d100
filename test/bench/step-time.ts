/**
 * What a step takes under the pipeline, by a bare torchrun of the same entry, and by MMDetection's own tools/train.py:
 * `node --import tsx test/bench/step-time.ts --seed 1 --repeats 5 [--out FILE]`.
 *
 * Each repeat starts all three. The pipeline and its bare twin, then the twin and the stock program, take turns of some
 * seconds in which the other one's processes are stopped (SIGSTOP): so both meet the machine in the same mood. The
 * pipeline's side is all of it: server, workers, supervisor, torchrun, rank. It and its twin see the same images at the
 * same step, and are compared step by step; the stock program draws its own, so there only medians can be compared.
 */
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  startPipeline,
  startStock,
  startTwin,
  stepsPerEpoch,
  type Contender,
  type Step,
} from './step-time-contenders.ts';
import { Random } from '../chaos/random.ts';
import { projectHome } from '../helpers/project.ts';
import { keep, printFigures, quantile, readArguments, readSurroundings, summarize } from './record.ts';

/** Shorter than half a heartbeat's patience: a stopped worker is not to be taken for a dead one. */
const turnMs = 4_000;
/** Of each turn, not measured: processes that were stopped first catch up on timers and connections, as none does that never stands still. */
const wakingMs = 1_000;
const [pipelineTurns, stockTurns] = [14, 5];

/** When a contender ran alone; Unix seconds. */
type Turn = readonly [from: number, to: number];

async function signal(contender: Contender, name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): Promise<void> {
  for (const pid of await contender.tree()) {
    try {
      process.kill(pid, name);
    } catch {
      // it ended meanwhile
    }
  }
}

/** Seconds of each step, by its number, that lies within one turn and is not the first of its epoch. */
async function stepSeconds({ steps }: Contender, turns: readonly Turn[]): Promise<Map<number, number>> {
  const all = await steps();
  const lasting = ({ iteration, at }: Step, place: number): [number, number][] => {
    const before = all[place - 1];
    if (before?.iteration !== iteration - 1 || (iteration - 1) % stepsPerEpoch === 0) return [];
    return turns.some(([from, to]) => from <= before.at && at <= to) ? [[iteration, at - before.at]] : [];
  };
  return new Map(all.flatMap(lasting));
}

/** Both run now; afterwards both are stopped. */
async function takeTurns(pair: readonly [Contender, Contender], count: number, random: Random) {
  const turns: [Turn[], Turn[]] = [[], []];
  await Promise.all(pair.map((one) => signal(one, 'SIGSTOP')));
  for (let turn = 0; turn < count; turn += 1) {
    for (const place of random.pick([[0, 1] as const, [1, 0] as const])) {
      await signal(pair[place], 'SIGCONT');
      const from = Date.now() / 1000;
      await sleep(turnMs);
      turns[place].push([from + wakingMs / 1000, Date.now() / 1000]);
      await signal(pair[place], 'SIGSTOP');
    }
  }
  return Promise.all([stepSeconds(pair[0], turns[0]), stepSeconds(pair[1], turns[1])]);
}

const median = (samples: Iterable<number>): number => quantile([...samples], 0.5);

/** First over second, of every step that both have. */
const stepRatios = (first: Map<number, number>, second: Map<number, number>): number[] =>
  [...first].flatMap(([iteration, seconds]) => {
    const other = second.get(iteration);
    return other === undefined ? [] : [seconds / other];
  });

async function runOnce(root: string, random: Random) {
  const home = `${root}/home`;
  await mkdir(home);
  await symlink(`${projectHome}/tools`, `${home}/tools`);
  const contenders: Contender[] = [];
  const enter = (contender: Contender): Contender => {
    contenders.push(contender);
    return contender;
  };
  try {
    const { contender, argv, stop } = await startPipeline(home);
    const [pipeline, twin] = [enter(contender), enter(await startTwin(`${root}/twin`, argv))];
    const ours = await takeTurns([pipeline, twin], pipelineTurns, random);
    await signal(pipeline, 'SIGCONT');
    await stop();
    const stock = enter(await startStock(`${root}/stock`, home));
    const theirs = await takeTurns([twin, stock], stockTurns, random);
    return {
      ratios: stepRatios(...ours),
      pipelineOverTwin: median(stepRatios(...ours)),
      stockOverTwin: median(theirs[1].values()) / median(theirs[0].values()),
      seconds: { pipeline: [...ours[0].values()], twin: [...ours[1].values()], stock: [...theirs[1].values()] },
    };
  } finally {
    for (const contender of contenders) await signal(contender, 'SIGKILL');
  }
}

const asked = readArguments(5);
const surroundings = await readSurroundings(asked, 'step-time.ts');
const random = new Random(asked.seed);
const runs: Awaited<ReturnType<typeof runOnce>>[] = [];
for (let repeat = 0; repeat < asked.repeats; repeat += 1) {
  const root = await mkdtemp(`${tmpdir()}/everswin-step-time-`);
  try {
    const run = await runOnce(root, random);
    runs.push(run);
    const said = [run.pipelineOverTwin, run.stockOverTwin].map((ratio) => ratio.toFixed(4));
    console.log(`pipeline / bare ${said[0]} (${run.ratios.length} steps), stock / bare ${said[1]}`);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
const of = (take: (run: (typeof runs)[number]) => number[]) => runs.flatMap(take);
const figures = [
  summarize(
    'pipeline / bare, median of each pair of runs',
    '',
    of((run) => [run.pipelineOverTwin]),
    '<= 1.005',
  ),
  summarize(
    'pipeline / bare, every step',
    '',
    of(({ ratios }) => ratios),
  ),
  summarize(
    'stock / bare, median of each pair of runs',
    '',
    of((run) => [run.stockOverTwin]),
  ),
  summarize(
    'step under the pipeline',
    's',
    of(({ seconds }) => seconds.pipeline),
  ),
  summarize(
    'step, bare',
    's',
    of(({ seconds }) => seconds.twin),
  ),
  summarize(
    'step, stock',
    's',
    of(({ seconds }) => seconds.stock),
  ),
];
printFigures(figures);
await keep(asked.out, { ...surroundings, turnMs, wakingMs, figures, runs });
