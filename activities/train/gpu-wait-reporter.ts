import { Context, log } from '@temporalio/activity';
import { waitingSignalName } from '../../configs/names.ts';
import type { GpuWait } from '../../configs/schema/index.ts';
import { formatGpuWait, gpuWaitKey } from '../shared/trainer/format-gpu-wait.ts';
import type { GpuWaitListener } from '../shared/trainer/start-job.ts';

/** Each adds to the workflow's history. */
const tellEveryMs = 10_000;

/**
 * What an activity does while its job waits for GPUs: says so to the workflow and to its heartbeat.
 * @param joining the name of this host, if another one leads. That one waits for it, and tells of everything else.
 */
export function createGpuWaitReporter(onText: (text: string | null) => void, joining?: string): GpuWaitListener {
  let told: { key: string; at: number } | undefined;
  const onWait = (wait: GpuWait | null) => {
    const text = wait && formatGpuWait(wait);
    onText(text);
    if (joining !== undefined && (wait === null || wait.hosts.length > 0)) return;
    const key = wait === null ? '' : gpuWaitKey(wait);
    const isSoon = told !== undefined && performance.now() - told.at < tellEveryMs;
    if (key === told?.key || (isSoon && wait !== null)) return;
    told = { key, at: performance.now() };
    void tellWorkflow(joining === undefined || text === null ? text : `${joining}: ${text}`);
  };
  return { signal: Context.current().cancellationSignal, onWait };
}

/** Best effort: the heartbeat says the same. */
async function tellWorkflow(text: string | null): Promise<void> {
  try {
    const { client, info } = Context.current();
    const { workflowId, runId } = info.workflowExecution ?? {};
    if (workflowId !== undefined) await client.workflow.getHandle(workflowId, runId).signal(waitingSignalName, text);
  } catch (error) {
    log.warn('could not tell the workflow for whom the training waits', { error });
  }
}
