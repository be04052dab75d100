import { Context } from '@temporalio/activity';
import { workflowTypes } from '../../configs/names.ts';
import { retrainTrigger } from './retrain-trigger.ts';
import type { RetrainInput, Trigger } from '../../configs/schema/index.ts';

interface TriggerRequest extends Pick<Trigger, 'who' | 'why'> {
  input: RetrainInput;
}

/** Starts the model's retraining, or signals the running one. */
export async function sendTrigger({ input, who, why }: TriggerRequest): Promise<void> {
  const options = retrainTrigger(input, { who, why }, Date.now() / 1000);
  await Context.current().client.workflow.signalWithStart(workflowTypes.retrainDetector, options);
}
