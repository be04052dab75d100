import { Context, log } from '@temporalio/activity';

/** Signals the workflow of this activity. Best effort: the next signal, or the activity's result, supersedes a lost one. */
export async function signalWorkflow(signalName: string, payload: unknown): Promise<void> {
  try {
    const { client, info } = Context.current();
    const { workflowId, runId } = info.workflowExecution ?? {};
    if (workflowId !== undefined) await client.workflow.getHandle(workflowId, runId).signal(signalName, payload);
  } catch (error) {
    log.warn(`could not signal "${signalName}" to the workflow; the heartbeat carries the same details`, { error });
  }
}
