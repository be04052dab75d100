import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { makePlan } from '../../activities/plan/make-plan.ts';
import type { InspectArchives } from '../../activities/preflight/check-archives.ts';
import type { FindMissing } from '../../activities/preflight/check-inputs.ts';
import { inspectMachine } from '../../activities/preflight/inspect-machine.ts';
import { inspectPlan } from '../../activities/preflight/inspect-plan.ts';
import { showBatch } from '../../activities/preflight/show-batch.ts';
import { replaceControlCharacters } from '../../activities/report/components/markup.ts';
import { withScratchFolder } from '../../activities/shared/files/scratch-folder.ts';
import { formatSteps, formatTrainingImage } from '../../activities/shared/summary/format-training-image.ts';
import { formatPlural } from '../../activities/shared/summary/format-time.ts';
import { chooseDevice } from '../stack/device.ts';
import type { RunInput, RunPlan, TrainingImage } from '../../configs/schema/index.ts';
import { startingWeights } from '../../configs/schema/plan-weights.ts';
import { createDependencies } from '../../workers/dependencies.ts';
import { createPreparationFormatter } from '../terminal/format-preparation.ts';
import { printChecks } from '../terminal/print-checks.ts';
import { fail, UsageError } from '../terminal/program.ts';
import { runInterruptible } from '../terminal/wait-for-interrupt.ts';
import { readRunInput } from './read-input.ts';

interface PlanOptions {
  device?: 'cpu' | 'cuda' | undefined;
  showBatch?: boolean | undefined;
  out?: string | undefined;
}

type Place = ReturnType<typeof createDependencies> & { signal: AbortSignal };

/** Checks the plan of a run and this machine. Downloads and starts nothing. */
export async function plan(file: string, options: PlanOptions): Promise<void> {
  const { showBatch = false, device = chooseDevice(), out } = options;
  if (out !== undefined && !showBatch)
    throw new UsageError('--out names the picture of --show-batch. Add that option.');
  const input = await readRunInput(file);
  const picture = showBatch ? nameNewFile(out, `${input.name}-batch`) : undefined;
  await runInterruptible(async (signal) => {
    const place = { ...createDependencies(device), signal };
    const { plan: planned } = await makePlan(place, input);
    await printPlan(place, input, planned);
    if (picture !== undefined) await drawBatch(place, planned, picture);
  });
}

async function printPlan(place: Place, input: RunInput, planned: RunPlan): Promise<void> {
  console.log(`${input.name}: ${input.dataset}, ${input.recipe}, ${startingWeights(planned.weights).id}\n`);
  const findMissing: FindMissing = (files) => place.preparer.findMissing(planned, files, place.signal);
  const inspectArchives: InspectArchives = () => place.preparer.inspectArchives(planned, place.signal);
  const checks = [
    ...(await inspectPlan(findMissing, inspectArchives, planned)),
    ...(await inspectMachine(place, findMissing, planned)),
  ];
  printChecks(checks, 'Fix the errors before you start the run.');
}

/** Draws the first images of the training, and lists them. */
export async function drawBatch(
  place: Pick<Place, 'python' | 'recipesFolder' | 'preparer' | 'signal'>,
  planned: RunPlan,
  picture: string,
): Promise<void> {
  const { python, recipesFolder, preparer, signal } = place;
  const format = createPreparationFormatter();
  console.log('\nDrawing the first images of the training …');
  // Next to the target, so that one rename makes the complete picture appear.
  const shown = await withScratchFolder(dirname(picture), async (scratch) => {
    const into = `${scratch}/batch.jpg`;
    const onProgress = (progress: Parameters<typeof format>[0][number]) =>
      format([progress]).forEach((line) => console.log(line));
    const answer = await showBatch({ plan: planned, python, recipesFolder, preparer, into, signal, onProgress });
    if (answer.ok) await rename(into, picture);
    return answer;
  });
  if (shown.ok) console.log(formatImages(shown.images, picture));
  else fail(`No picture of the training batch: ${replaceControlCharacters(shown.problem)}`);
}

function formatImages(images: readonly TrainingImage[], picture: string): string {
  const lines = images.map((image) => `  step ${image.step}  ${image.fileName}: ${formatTrainingImage(image)}`);
  return [
    `Picture   ${picture}`,
    `Shown     the first ${formatPlural(images.length, 'image')} of the training, exactly as ${formatSteps(images)} will get them`,
    ...lines.map(replaceControlCharacters),
    'Look for  boxes and masks that fit, the right names, and objects that are still visible',
  ].join('\n');
}

/** Returns the path of `out`, or of `NAME.jpg` in the current folder, with a number if it exists. */
function nameNewFile(out: string | undefined, name: string): string {
  if (out !== undefined) {
    const file = resolve(out);
    if (existsSync(file)) throw new UsageError(`${file} exists already. Name a new file with --out.`);
    return file;
  }
  for (let number = 1; ; number += 1) {
    const file = resolve(`${name}${number === 1 ? '' : `-${number}`}.jpg`);
    if (!existsSync(file)) return file;
  }
}
