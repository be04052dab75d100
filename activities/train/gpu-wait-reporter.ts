import { Context } from '@temporalio/activity';
import { waitingSignalName } from '../../configs/names.ts';
import type { GpuWait } from '../../configs/schema/index.ts';
import { signalWorkflow } from '../shared/temporal/signal-workflow.ts';
import { formatGpuWait, gpuWaitKey } from '../shared/trainer/format-gpu-wait.ts';
import type { GpuWaitListener } from '../shared/trainer/start-job.ts';

/** Each signal adds an event to the workflow's history. */
const signalEveryMs = 10_000;

/**
 * Reports that a job waits for GPUs, to the heartbeat and to the workflow.
 * @param joiningHost name of this host if another host leads; the leader reports the wait for all hosts itself.
 */
export function createGpuWaitReporter(onText: (text: string | null) => void, joiningHost?: string): GpuWaitListener {
  let sent: { key: string; at: number } | undefined;
  const onWait = (wait: GpuWait | null) => {
    const text = wait && formatGpuWait(wait);
    onText(text);
    if (joiningHost !== undefined && (wait === null || wait.hosts.length > 0)) return;
    const key = wait === null ? '' : gpuWaitKey(wait);
    const isTooSoon = sent !== undefined && performance.now() - sent.at < signalEveryMs;
    if (key === sent?.key || (isTooSoon && wait !== null)) return;
    sent = { key, at: performance.now() };
    void signalWorkflow(
      waitingSignalName,
      joiningHost === undefined || text === null ? text : `${joiningHost}: ${text}`,
    );
  };
  return { signal: Context.current().cancellationSignal, onWait };
}
