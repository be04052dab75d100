import { taskQueues, workflowId, workflowTypes } from '../../../configs/names.ts';
import type { RunPlan } from '../../../configs/schema.ts';

/** The one command that starts this run as it was planned; it can be pasted into a shell whole. */
export const repeatCommand = (plan: Pick<RunPlan, 'runId' | 'input'>): string =>
  [
    'temporal workflow start',
    `--type ${workflowTypes.trainDetector} --task-queue ${taskQueues.control} --workflow-id ${quoteWord(workflowId(plan.runId))}`,
    `--input '${printJson(plan.input)}'`,
  ].join(' \\\n  ');

/** JSON for single quotes: quotes, backticks and angle brackets inside strings are written as JSON's own escapes. */
const printJson = (value: unknown): string =>
  JSON.stringify(value, null, 2)
    .replace(/['`<>&]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .replaceAll('\n', '\n  ');

const quoteWord = (word: string): string => (/^[\w:.@/-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
