import { readFile } from 'node:fs/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { retrainId, taskQueues, triggerSignalName, workflowTypes } from '../configs/names.ts';
import { listProblems } from '../configs/parse-input.ts';
import { RetrainInput } from '../configs/schema.ts';
import type { retrainDetector } from '../workflows/index.ts';

/** @throws Error that says all that is wrong with the file. */
export async function readRetrainFile(path: string): Promise<RetrainInput> {
  const { data, error } = RetrainInput.safeParse(JSON.parse(await readFile(path, 'utf8')));
  if (data === undefined) throw new Error(`${path} is no retraining:\n- ${listProblems(error).join('\n- ')}`);
  return data;
}

/** Starts the model's retraining, or tells the one that runs: several triggers at once make one training. */
export const triggerRetraining = (
  client: Client,
  input: RetrainInput,
  { who, why }: { who: string; why: string },
): Promise<WorkflowHandle<typeof retrainDetector>> =>
  client.workflow.signalWithStart<typeof retrainDetector, [unknown]>(workflowTypes.retrainDetector, {
    ...{ taskQueue: taskQueues.control, workflowId: retrainId(input.model), args: [input] },
    ...{ signal: triggerSignalName, signalArgs: [{ who, why, at: Date.now() / 1000 }] },
  });
