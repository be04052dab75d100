import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatGpuCheck } from '../terminal/format-gpu-check.ts';
import { runTrainerCommand } from '../../activities/shared/trainer/trainer-command.ts';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { chooseDevice } from '../stack/device.ts';
import { recipeFacts } from '../../activities/plan/recipe-facts.ts';
import { GpuCheck, type StageProgress } from '../../configs/schema/index.ts';
import { didYouMean } from '../../configs/schema/did-you-mean.ts';
import { UsageError } from '../terminal/program.ts';
import { runInterruptible } from '../terminal/wait-for-interrupt.ts';
import { createDependencies } from '../../workers/dependencies.ts';

interface GpuCheckOptions {
  recipe: string;
  device?: 'cpu' | 'cuda' | undefined;
  /** Steps per variant. */
  iterations: number;
  /** GPUs to measure on. */
  gpus: number;
  /** GPUs of the training whose hours are projected. */
  forGpus: number;
  batchPerGpu?: number | undefined;
  out: string;
}

/** Measures the speed switches of a recipe on this machine. */
export async function gpuCheck(options: GpuCheckOptions): Promise<void> {
  const { recipesFolder, python } = createDependencies('cpu');
  const { iterations, gpus, forGpus, out } = options;
  const recipe = await findRecipe(recipesFolder, options.recipe);
  const device = options.device ?? chooseDevice();
  const batchPerGpu = options.batchPerGpu ?? defaultBatchPerGpu(recipe, forGpus);
  console.log(`${recipe} on ${device}: ${gpus} x ${batchPerGpu} images, ${iterations} steps per variant`);
  const argv = [
    ...['gpu-check', '--recipe', `${recipesFolder}/${recipe}.py`, '--device', device, '--iterations', `${iterations}`],
    ...['--gpus', `${gpus}`, '--for-gpus', `${forGpus}`, '--batch-per-gpu', `${batchPerGpu}`],
  ];
  const onStage = printProgress(process.stdout.isTTY);
  const answer = await runInterruptible((signal) =>
    runTrainerCommand({ python, output: GpuCheck, signal, argv, onStage }),
  );
  if (process.stdout.isTTY) process.stdout.write('\r'.padEnd(60));
  await writeFileAtomic(resolve(out), `${JSON.stringify(answer, null, 2)}\n`);
  console.log(`\n${formatGpuCheck(answer)}\n\nAll results: ${resolve(out)}`);
}

/** Prints progress: a line that updates in place on a terminal, elsewhere one line per variant. */
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
