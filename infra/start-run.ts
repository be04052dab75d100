import { WorkflowExecutionAlreadyStartedError, type Client, type WorkflowHandle } from '@temporalio/client';
import { taskQueues, workflowId, workflowTypes } from '../configs/names.ts';
import type { RunInput } from '../configs/schema.ts';
import type { trainDetector } from '../workflows/index.ts';

export interface StartedRun {
  handle: WorkflowHandle<typeof trainDetector>;
  /** `joined`: it was running already. `finished`: it had been finished before. */
  how: 'started' | 'joined' | 'finished';
}

/** Starts a run once, however often it is asked to: the name of the run is its id. A failed or cancelled run is started anew. */
export async function startRun(client: Client, input: RunInput): Promise<StartedRun> {
  const id = workflowId(input.name);
  const existing = client.workflow.getHandle<typeof trainDetector>(id);
  try {
    const handle = await client.workflow.start<typeof trainDetector>(workflowTypes.trainDetector, {
      taskQueue: taskQueues.control,
      workflowId: id,
      args: [input],
      workflowIdConflictPolicy: 'FAIL',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      staticSummary: `${input.recipe}, ${input.epochs} epochs on ${input.dataset}, ${input.gpus} x ${input.batchPerGpu} images`,
    });
    return { handle, how: 'started' };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const { status } = await existing.describe();
    return { handle: existing, how: status.name === 'RUNNING' ? 'joined' : 'finished' };
  }
}
