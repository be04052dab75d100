import { WorkflowExecutionAlreadyStartedError, type Client, type WorkflowHandle } from '@temporalio/client';
import type { WorkerDeploymentVersion } from '@temporalio/common';
import { evaluationId, taskQueues, workflowId, workflowTypes } from '../../configs/names.ts';
import type { RunInput } from '../../configs/schema/index.ts';
import type { evaluateDetector, trainDetector } from '../../workflows/index.ts';

/** Either workflow that takes the input of a run and returns a reference to its report. */
export type RunWorkflow = typeof trainDetector | typeof evaluateDetector;

interface StartedRun {
  handle: WorkflowHandle<RunWorkflow>;
  /** `joined`: it was already running. `finished`: it had already completed. */
  how: 'started' | 'joined' | 'finished';
}

/**
 * Starts a run, which stays on the version `pinnedTo` of the workers. Idempotent, because the workflow id is derived from the name of the run. A failed or canceled run is
 * started again.
 */
export async function startRun(
  client: Client,
  input: RunInput,
  { evaluate = false, pinnedTo }: { evaluate?: boolean; pinnedTo?: WorkerDeploymentVersion | undefined } = {},
): Promise<StartedRun> {
  const [type, id] = evaluate
    ? [workflowTypes.evaluateDetector, evaluationId(input.name)]
    : [workflowTypes.trainDetector, workflowId(input.name)];
  const existing = client.workflow.getHandle<RunWorkflow>(id);
  try {
    const handle = await client.workflow.start<RunWorkflow>(type, {
      taskQueue: taskQueues.control,
      workflowId: id,
      args: [input],
      workflowIdConflictPolicy: 'FAIL',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
      ...(pinnedTo && { versioningOverride: { pinnedTo } }),
      staticSummary: evaluate ? `${input.recipe}, evaluation on ${input.dataset}` : summarize(input),
    });
    return { handle, how: 'started' };
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    const { status } = await existing.describe();
    return { handle: existing, how: status.name === 'RUNNING' ? 'joined' : 'finished' };
  }
}

const summarize = ({ recipe, epochs, dataset, gpus, batchPerGpu }: RunInput): string =>
  `${recipe}, ${epochs} epochs on ${dataset}, ${gpus} x ${batchPerGpu} images`;
