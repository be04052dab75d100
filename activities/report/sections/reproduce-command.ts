import { evaluationId, taskQueues, workflowId, workflowTypes } from '../../../configs/names.ts';
import type { RunPlan } from '../../../configs/schema/index.ts';
import { isEvaluation } from '../../../configs/schema/plan-weights.ts';

type RepeatedPlan = Pick<RunPlan, 'epochs' | 'input'>;

/** Returns a shell command that starts this run again as planned. */
export const reproduceCommand = (plan: RepeatedPlan): string =>
  [
    'temporal workflow start',
    `--type ${typeOf(plan)} --task-queue ${taskQueues.control} --workflow-id ${quoteWord(idOf(plan))}`,
    `--input '${printJson(plan.input)}'`,
  ].join(' \\\n  ');

const typeOf = (plan: RepeatedPlan): string =>
  isEvaluation(plan) ? workflowTypes.evaluateDetector : workflowTypes.trainDetector;

const idOf = (plan: RepeatedPlan): string =>
  isEvaluation(plan) ? evaluationId(plan.input.name) : workflowId(plan.input.name);

/** Prints JSON for a single-quoted shell word: quotes, backticks and angle brackets become JSON escapes. */
const printJson = (value: unknown): string =>
  JSON.stringify(value, null, 2)
    .replace(/['`<>&]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll('\n', '\n  ');

const quoteWord = (word: string): string => (/^[\w:.@/-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
