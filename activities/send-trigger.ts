import { Context } from '@temporalio/activity';
import { retrainId, taskQueues, triggerSignalName, workflowTypes } from '../configs/names.ts';
import type { RetrainInput } from '../configs/schema.ts';

export interface TriggerRequest {
  input: RetrainInput;
  who: string;
  why: string;
}

/** Starts the model's retraining, or tells the one that runs. Sent twice it is answered by one look. */
export async function sendTrigger({ input, who, why }: TriggerRequest): Promise<void> {
  await Context.current().client.workflow.signalWithStart(workflowTypes.retrainDetector, {
    ...{ taskQueue: taskQueues.control, workflowId: retrainId(input.model), args: [input] },
    ...{ signal: triggerSignalName, signalArgs: [{ who, why, at: Date.now() / 1000 }] },
  });
}
