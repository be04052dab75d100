import { writeFile } from 'node:fs/promises';
import { ShownBatch, type PreparationProgress, type RunPlan } from '../../configs/schema/index.ts';
import type { InputPreparer } from '../inputs/input-preparer.ts';
import { withTemporaryFolder } from '../shared/files/scratch-folder.ts';
import { runTrainerCommand } from '../shared/trainer/trainer-command.ts';
import type { PythonCommand } from '../shared/trainer/trainer-process.ts';

interface BatchRequest {
  plan: RunPlan;
  python: PythonCommand;
  recipesFolder: string;
  preparer: InputPreparer;
  /** The new JPEG file. It may exist if the answer is not ok. */
  into: string;
  signal: AbortSignal;
  onProgress: (progress: PreparationProgress) => void;
}

/**
 * Draws the first images of the training that a plan describes, exactly as it will get them. Prepares the data from files
 * of this machine as the run would, and downloads nothing.
 */
export async function showBatch(request: BatchRequest): Promise<ShownBatch> {
  const { plan, python, recipesFolder, preparer, into, signal, onProgress } = request;
  const { dataset, recipe } = plan;
  const missing = await preparer.findMissing(plan, dataset.archives, signal);
  const remote = missing.filter(({ file }) => !/^(file|demo):/.test(file.urls[0] ?? ''));
  if (remote.length > 0) {
    const files = remote.map(({ file }) => file.file).join(', ');
    const problem = `${dataset.id} is not on this machine (missing: ${files}), and a plan downloads nothing. \`everswin start\` downloads it first; repeat this command while it trains.`;
    return { v: 1, ok: false, problem };
  }
  const { root } = await preparer.dataset(plan, { signal, onProgress, fresh: false });
  return withTemporaryFolder(async (folder) => {
    const planFile = `${folder}/plan.json`;
    await writeFile(planFile, JSON.stringify(plan));
    return runTrainerCommand({
      python,
      signal,
      output: ShownBatch,
      argv: [
        ...['show-batch', '--plan', planFile, '--recipe', `${recipesFolder}/${recipe.name}.py`],
        ...['--data', root, '--into', into],
      ],
    });
  });
}
