/** `npm run gpu-check -- [--recipe swin-s_blog] [--device cpu|cuda] [--iterations 200] ...`: what the speed switches bring here. */
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatGpuCheck } from '../terminal/format-gpu-check.ts';
import { runTrainerCommand } from '../../activities/shared/trainer/trainer-command.ts';
import { writeFileAtomic } from '../../activities/shared/files/atomic-file.ts';
import { chooseDevice } from '../stack/device.ts';
import { recipeFacts } from '../../activities/plan/recipe-facts.ts';
import { GpuCheck, type StageLine } from '../../configs/schema/index.ts';
import { createDependencies } from '../../workers/dependencies.ts';

const { values } = parseArgs({
  options: {
    recipe: { type: 'string', default: 'swin-s_blog' },
    device: { type: 'string' },
    /** Steps of each variant. */
    iterations: { type: 'string', default: '200' },
    /** To measure on. */
    gpus: { type: 'string', default: '1' },
    /** To project the hours of a whole training to. */
    'for-gpus': { type: 'string', default: '4' },
    'batch-per-gpu': { type: 'string' },
    out: { type: 'string', default: 'gpu-check.json' },
  },
});
await check().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});

async function check(): Promise<void> {
  const { recipesFolder, python } = createDependencies('cpu');
  const recipe = await findRecipe(recipesFolder, values.recipe);
  const device = chooseDevice(values.device);
  const { iterations, gpus, 'for-gpus': forGpus } = values;
  const batchPerGpu = values['batch-per-gpu'] ?? String(usualBatchPerGpu(recipe, Number(forGpus)));
  console.log(`${recipe} on ${device}: ${iterations} steps of ${gpus} x ${batchPerGpu} images for each variant`);
  const answer = await runTrainerCommand({
    python,
    output: GpuCheck,
    signal: new AbortController().signal,
    argv: [
      ...['gpu-check', '--recipe', `${recipesFolder}/${recipe}.py`, '--device', device, '--iterations', iterations],
      ...['--gpus', gpus, '--for-gpus', forGpus, '--batch-per-gpu', batchPerGpu],
    ],
    onStage: sayHowFar(process.stdout.isTTY),
  });
  if (process.stdout.isTTY) process.stdout.write('\r'.padEnd(60));
  await writeFileAtomic(resolve(values.out), `${JSON.stringify(answer, null, 2)}\n`);
  console.log(`\n${formatGpuCheck(answer)}\n\nAll figures: ${resolve(values.out)}`);
}

/** A line that is written over; outside a terminal one for each variant. */
function sayHowFar(isTerminal: boolean): (line: StageLine) => void {
  const begun = new Set<string>();
  return ({ stage, done, total }) => {
    if (isTerminal) process.stdout.write(`\r${stage}: step ${done} of ${total} `.padEnd(60));
    else if (!begun.has(stage)) console.log(stage);
    begun.add(stage);
  };
}

/** Its whole name, or what comes after `cascade-mask-rcnn_` or `cascade-mask-rcnn_swin-`. @throws Error with those there are. */
async function findRecipe(folder: string, asked: string): Promise<string> {
  const recipes = (await readdir(folder)).flatMap((file) =>
    file.endsWith('.py') ? [file.slice(0, -'.py'.length)] : [],
  );
  const names = [asked, `cascade-mask-rcnn_${asked}`, `cascade-mask-rcnn_swin-${asked}`];
  const found = names.find((name) => recipes.includes(name));
  if (found !== undefined) return found;
  throw new Error(`expected --recipe to be one of ${recipes.sort().join(', ')}, got ${asked}`);
}

/** What each of so many GPUs takes of the batch that the recipe was published with. */
function usualBatchPerGpu(recipe: string, gpus: number): number {
  return Math.max(1, Math.round((recipeFacts(recipe)?.batch ?? 2 * gpus) / gpus));
}
