import { retrainId, taskQueues, triggerSignalName } from '../../configs/names.ts';
import type { RetrainInput, Trigger } from '../../configs/schema/index.ts';

/**
 * Options of `signalWithStart`, which starts a model's retraining or tells the one that runs: so several triggers at once
 * make one training, and one that is sent twice is answered by one look.
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
