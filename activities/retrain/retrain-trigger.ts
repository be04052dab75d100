import { retrainId, taskQueues, triggerSignalName } from '../../configs/names.ts';
import type { RetrainInput, Trigger } from '../../configs/schema/index.ts';

/**
 * Returns options of `signalWithStart`, which starts a model's retraining or signals the running one, so that
 * concurrent or repeated triggers cause one training.
 * @param now Unix seconds.
 */
export const retrainTrigger = (
  input: RetrainInput,
  { who, why }: Pick<Trigger, 'who' | 'why'>,
  now: number,
): { taskQueue: string; workflowId: string; args: [RetrainInput]; signal: string; signalArgs: [Trigger] } => ({
  taskQueue: taskQueues.control,
  workflowId: retrainId(input.model),
  args: [input],
  signal: triggerSignalName,
  signalArgs: [{ who, why, at: now }],
});
