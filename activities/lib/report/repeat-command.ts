import { taskQueues, workflowId, workflowTypes } from '../../../configs/names.ts';
import type { RunInput, RunPlan } from '../../../configs/schema.ts';

/** The one command that starts this run as it was planned; it can be pasted into a shell whole. */
export const repeatCommand = (plan: RunPlan): string =>
  [
    'temporal workflow start',
    `--type ${workflowTypes.trainDetector} --task-queue ${taskQueues.control} --workflow-id ${quoteWord(workflowId(plan.runId))}`,
    `--input '${printJson(restoreInput(plan))}'`,
  ].join(' \\\n  ');

const restoreInput = (plan: RunPlan): RunInput => ({
  version: 1,
  name: plan.runId,
  recipe: plan.recipe.name,
  dataset: plan.dataset.id,
  weights: { backbone: plan.weights.backbone.id },
  epochs: plan.epochs,
  gpus: plan.gpus,
  batchPerGpu: plan.batchPerGpu,
  seed: plan.seed,
  loaderWorkers: plan.loaderWorkers,
  logEverySteps: plan.logEverySteps,
  checkpoint: plan.checkpoint,
  recovery: plan.recovery,
});

/** JSON for single quotes: quotes, backticks and angle brackets inside strings are written as JSON's own escapes. */
const printJson = (value: unknown): string =>
  JSON.stringify(value, null, 2)
    .replace(/['`<>&]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll('\n', '\n  ');

const quoteWord = (word: string): string => (/^[\w:.@/-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
