import type { Client, WorkflowHandle } from '@temporalio/client';
import { workflowTypes } from '../../configs/names.ts';
import { retrainTrigger } from '../../activities/retrain/retrain-trigger.ts';
import type { RetrainInput, Trigger } from '../../configs/schema/index.ts';
import type { retrainDetector } from '../../workflows/index.ts';

/** Starts the retraining of a model, or signals the running one. */
export const triggerRetraining = (
  client: Client,
  input: RetrainInput,
  trigger: Pick<Trigger, 'who' | 'why'>,
): Promise<WorkflowHandle<typeof retrainDetector>> =>
  client.workflow.signalWithStart<typeof retrainDetector, [unknown]>(
    workflowTypes.retrainDetector,
    retrainTrigger(input, trigger, Date.now() / 1000),
  );
