import { readdir, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatGpuCheck } from '../terminal/format-gpu-check.ts';
import { runTrainerCommand } from '../../activities/shared/trainer/trainer-command.ts';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { parseJson } from '../../activities/shared/files/json-file.ts';
import { chooseDevice } from '../stack/device.ts';
import { recipeFacts } from '../../activities/plan/recipe-facts.ts';
import { GpuCheck, GpuCheckBundle, type StageProgress } from '../../configs/schema/index.ts';
import { didYouMean } from '../../configs/schema/did-you-mean.ts';
import { UsageError } from '../terminal/program.ts';
import { explainReadError } from './explain-read-error.ts';
import { runInterruptible } from '../terminal/wait-for-interrupt.ts';
import { createDependencies } from '../../workers/dependencies.ts';
import { inheritedEnv } from '../../workers/env.ts';

interface GpuCheckOptions {
  recipe: string;
  device?: 'cpu' | 'cuda' | undefined;
  /** Steps per variant and round. */
  iterations: number;
  /** Limit of the duration. */
  minutes: number;
  /** GPUs to measure on. */
  gpus: number;
  /** GPUs of the training whose hours are projected. */
  forGpus: number;
  batchPerGpu?: number | undefined;
  out: string;
  /** Folder of a bundle to write instead of measuring. */
  bundle?: string | undefined;
  /** File with results to print instead of measuring. */
  read?: string | undefined;
}

/** Measures the speed switches of a recipe on this machine, or writes a bundle for another one, or prints its results. */
export async function gpuCheck(options: GpuCheckOptions): Promise<void> {
  if (options.read !== undefined) console.log(formatGpuCheck(await readGpuCheck(options.read)));
  else if (options.bundle !== undefined) await writeBundle(options.bundle, options.recipe);
  else await measure(options);
}

async function measure(options: GpuCheckOptions): Promise<void> {
  const { recipesFolder, python } = createDependencies('cpu');
  const { iterations, minutes, gpus, forGpus, out } = options;
  const recipe = await findRecipe(recipesFolder, options.recipe);
  const device = options.device ?? chooseDevice();
  const batchPerGpu = options.batchPerGpu ?? defaultBatchPerGpu(recipe, forGpus);
  console.log(`${recipe} on ${device}: ${gpus} x ${batchPerGpu} images, at most ${minutes} minutes`);
  const argv = [
    ...['gpu-check', '--recipe', `${recipesFolder}/${recipe}.py`, '--device', device, '--iterations', `${iterations}`],
    ...['--minutes', `${minutes}`, '--gpus', `${gpus}`, '--for-gpus', `${forGpus}`],
    ...['--batch-per-gpu', `${batchPerGpu}`],
  ];
  const onStage = printProgress(process.stdout.isTTY);
  const answer = await runInterruptible((signal) =>
    runTrainerCommand({ python, output: GpuCheck, signal, argv, onStage }),
  );
  if (process.stdout.isTTY) process.stdout.write('\r'.padEnd(60));
  await writeFileAtomic(resolve(out), `${JSON.stringify(answer, null, 2)}\n`);
  console.log(`\n${formatGpuCheck(answer)}\n\nAll results: ${resolve(out)}`);
}

/** Recipe of a bundle with which the command can be tried on a CPU. */
const demoRecipe = 'cascade-mask-rcnn_swin-demo';

/** Writes a folder with which a GPU machine without internet, Node and this project runs the check. */
async function writeBundle(folder: string, requested: string): Promise<void> {
  const { recipesFolder, python } = createDependencies('cpu');
  const recipe = await findRecipe(recipesFolder, requested);
  const recipes = [...new Set([recipe, demoRecipe])].map((name) => `${recipesFolder}/${name}.py`);
  const { bytes } = await runInterruptible((signal) =>
    runTrainerCommand({
      // uv needs the proxies and certificates of this shell.
      python: { ...python, env: { ...inheritedEnv([]), ...python.env } },
      output: GpuCheckBundle,
      signal,
      argv: ['gpu-check-bundle', '--into', resolve(folder), '--recipe', ...recipes],
    }),
  );
  console.log(
    [
      `Wrote ${resolve(folder)} (${(bytes / 1e6).toFixed(0)} MB) for ${recipe}.`,
      'Copy it to a Linux machine whose Python 3.10 to 3.13 has torch, torchvision, OpenCV, NumPy, SciPy and Pillow.',
      'Run there: python run.py',
      'Then copy gpu-check.json back, and run here: everswin gpu-check --read gpu-check.json',
    ].join('\n'),
  );
}

/** @throws Error that says why the file has no results. */
async function readGpuCheck(file: string): Promise<GpuCheck> {
  const text = await readFile(file, 'utf8').catch(async (error: unknown) => {
    throw new Error(`Cannot read ${file}: ${await explainReadError(file, error)}`);
  });
  const found = parseJson(text, GpuCheck);
  if (found !== undefined) return found;
  throw new Error(
    `Expected ${file} to be the output of gpu-check in version 2 of its format. Measure again with the gpu-check of this version`,
  );
}

/** Prints progress: a line that updates in place on a terminal, elsewhere one line per training. */
function printProgress(isTerminal: boolean): (line: StageProgress) => void {
  const started = new Set<string>();
  return ({ stage, done, total }) => {
    if (isTerminal) process.stdout.write(`\r${stage}: step ${done} of ${total} `.padEnd(60));
    else if (!started.has(stage)) console.log(stage);
    started.add(stage);
  };
}

/**
 * Finds a recipe by its name, with or without the prefix `cascade-mask-rcnn_` or `cascade-mask-rcnn_swin-`.
 * @throws UsageError that lists the recipes.
 */
async function findRecipe(folder: string, requested: string): Promise<string> {
  const recipes = (await readdir(folder)).flatMap((file) =>
    file.endsWith('.py') ? [file.slice(0, -'.py'.length)] : [],
  );
  const names = [requested, `cascade-mask-rcnn_${requested}`, `cascade-mask-rcnn_swin-${requested}`];
  const found = names.find((name) => recipes.includes(name));
  if (found !== undefined) return found;
  throw new UsageError(
    `Expected --recipe to be one of ${recipes.sort().join(', ')}, got ${requested}${didYouMean(requested, recipes)}`,
  );
}

/** Returns the share of one GPU in the batch size that the recipe was published with. */
function defaultBatchPerGpu(recipe: string, gpus: number): number {
  return Math.max(1, Math.round((recipeFacts(recipe)?.batch ?? 2 * gpus) / gpus));
}
