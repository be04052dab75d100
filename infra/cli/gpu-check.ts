/** `npm run gpu-check -- [--recipe swin-s_blog] [--device cpu|cuda] [--iterations 200] ...`: measures the speed switches on this machine. */
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatGpuCheck } from '../terminal/format-gpu-check.ts';
import { runTrainerCommand } from '../../activities/shared/trainer/trainer-command.ts';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { chooseDevice } from '../stack/device.ts';
import { recipeFacts } from '../../activities/plan/recipe-facts.ts';
import { GpuCheck, type StageProgress } from '../../configs/schema/index.ts';
import { runProgram } from '../terminal/program.ts';
import { createDependencies } from '../../workers/dependencies.ts';

const { values } = parseArgs({
  options: {
    recipe: { type: 'string', default: 'swin-s_blog' },
    device: { type: 'string' },
    /** Steps per variant. */
    iterations: { type: 'string', default: '200' },
    /** GPUs to measure on. */
    gpus: { type: 'string', default: '1' },
    /** GPUs of the training whose hours are projected. */
    'for-gpus': { type: 'string', default: '4' },
    'batch-per-gpu': { type: 'string' },
    out: { type: 'string', default: 'gpu-check.json' },
  },
});
await runProgram(measure);

async function measure(): Promise<void> {
  const { recipesFolder, python } = createDependencies('cpu');
  const recipe = await findRecipe(recipesFolder, values.recipe);
  const device = chooseDevice(values.device);
  const { iterations, gpus, 'for-gpus': forGpus } = values;
  const batchPerGpu = values['batch-per-gpu'] ?? String(defaultBatchPerGpu(recipe, Number(forGpus)));
  console.log(`${recipe} on ${device}: ${gpus} x ${batchPerGpu} images, ${iterations} steps per variant`);
  const answer = await runTrainerCommand({
    python,
    output: GpuCheck,
    signal: new AbortController().signal,
    argv: [
      ...['gpu-check', '--recipe', `${recipesFolder}/${recipe}.py`, '--device', device, '--iterations', iterations],
      ...['--gpus', gpus, '--for-gpus', forGpus, '--batch-per-gpu', batchPerGpu],
    ],
    onStage: printProgress(process.stdout.isTTY),
  });
  if (process.stdout.isTTY) process.stdout.write('\r'.padEnd(60));
  await writeFileAtomic(resolve(values.out), `${JSON.stringify(answer, null, 2)}\n`);
  console.log(`\n${formatGpuCheck(answer)}\n\nAll results: ${resolve(values.out)}`);
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
 * @throws Error that lists the recipes.
 */
async function findRecipe(folder: string, requested: string): Promise<string> {
  const recipes = (await readdir(folder)).flatMap((file) =>
    file.endsWith('.py') ? [file.slice(0, -'.py'.length)] : [],
  );
  const names = [requested, `cascade-mask-rcnn_${requested}`, `cascade-mask-rcnn_swin-${requested}`];
  const found = names.find((name) => recipes.includes(name));
  if (found !== undefined) return found;
  throw new Error(`Expected --recipe to be one of ${recipes.sort().join(', ')}, got ${requested}`);
}

/** Returns the share of one GPU in the batch size that the recipe was published with. */
function defaultBatchPerGpu(recipe: string, gpus: number): number {
  return Math.max(1, Math.round((recipeFacts(recipe)?.batch ?? 2 * gpus) / gpus));
}
