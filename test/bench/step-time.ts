/**
 * Measures the time of a step in the pipeline, in a bare torchrun of the same entry point, and in MMDetection's own
 * tools/train.py: `node test/bench/step-time.ts --seed 1 --repeats 5 [--out FILE]`.
 *
 * Each repeat starts all three. The pipeline and its bare twin, then the twin and the stock program, alternate for a few
 * seconds each, while the processes of the other one are stopped (SIGSTOP). Both therefore run under the same conditions.
 * The pipeline includes server, workers, supervisor, torchrun and rank. It sees the same images as its twin and is
 * compared step by step. The stock program draws its own images, so only medians can be compared.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
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
import { saveRecord, printFigures, quantile, readArguments, readEnvironment, summarize } from './record.ts';

/** Shorter than half a heartbeat timeout, so that a stopped worker does not count as lost. */
const turnMs = 4_000;
/** Excluded from each turn, because processes that were stopped first catch up on timers and connections. */
const wakingMs = 1_000;
const [pipelineTurns, stockTurns] = [14, 5];

/** Time in which one contender ran alone, in Unix seconds. */
type Turn = readonly [from: number, to: number];

async function signal(contender: Contender, name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): Promise<void> {
  for (const pid of await contender.tree()) {
    try {
      process.kill(pid, name);
    } catch {
      // it has exited
    }
  }
}

/** Returns seconds by iteration for the steps within one turn, without the first of each epoch. */
async function stepSeconds({ steps }: Contender, turns: readonly Turn[]): Promise<Map<number, number>> {
  const all = await steps();
  const duration = ({ iteration, at }: Step, place: number): [number, number][] => {
    const before = all[place - 1];
    if (before?.iteration !== iteration - 1 || (iteration - 1) % stepsPerEpoch === 0) return [];
    return turns.some(([from, to]) => from <= before.at && at <= to) ? [[iteration, at - before.at]] : [];
  };
  return new Map(all.flatMap(duration));
}

/** Expects both to run, and leaves both stopped. */
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

/** Returns first / second for every step that both have. */
const stepRatios = (first: Map<number, number>, second: Map<number, number>): number[] =>
  [...first].flatMap(([iteration, seconds]) => {
    const other = second.get(iteration);
    return other === undefined ? [] : [seconds / other];
  });

async function runOnce(root: string, random: Random) {
  const home = `${root}/home`;
  await mkdir(home);
  const contenders: Contender[] = [];
  const register = (contender: Contender): Contender => {
    contenders.push(contender);
    return contender;
  };
  try {
    const { contender, argv, stop } = await startPipeline(home);
    const [pipeline, twin] = [register(contender), register(await startTwin(`${root}/twin`, argv))];
    const ours = await takeTurns([pipeline, twin], pipelineTurns, random);
    await signal(pipeline, 'SIGCONT');
    await stop();
    const stock = register(await startStock(`${root}/stock`, home));
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

const bench = readArguments(5);
const environment = await readEnvironment(bench, 'step-time.ts');
const random = new Random(bench.seed);
const runs: Awaited<ReturnType<typeof runOnce>>[] = [];
for (let repeat = 0; repeat < bench.repeats; repeat += 1) {
  const root = await mkdtemp(`${tmpdir()}/everswin-step-time-`);
  try {
    const run = await runOnce(root, random);
    runs.push(run);
    const ratios = [run.pipelineOverTwin, run.stockOverTwin].map((ratio) => ratio.toFixed(4));
    console.log(`pipeline / bare ${ratios[0]} (${run.ratios.length} steps), stock / bare ${ratios[1]}`);
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
await saveRecord(bench.out, { ...environment, turnMs, wakingMs, figures, runs });
