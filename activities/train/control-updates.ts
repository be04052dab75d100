import { Context } from '@temporalio/activity';
import { controlQueryName } from '../../configs/names.ts';
import type { JobFolder } from '../../configs/paths.ts';
import { TrainerControl } from '../../configs/schema/index.ts';
import { assertFence } from '../shared/run/fence.ts';
import { writeControl } from '../shared/trainer/control-file.ts';

/** The trainer reads the control file once per step, which takes about a second; faster polling gains nothing. */
const pollMs = 2_000;
/** Deadline of a query, which otherwise waits indefinitely for a lost server. */
const queryTimeoutMs = 10_000;

/**
 * While `work` runs, polls the workflow for control updates and writes them to the trainer's control file. A failed
 * poll is not an error: the next one catches up, and watching the trainer takes precedence.
 */
export async function withControlUpdates<T>(
  job: JobFolder,
  fence: number,
  onUpdate: (control: TrainerControl) => void,
  work: () => Promise<T>,
): Promise<T> {
  let isPolling = false;
  const poll = async () => {
    if (isPolling) return; // a query is slow while the workflow's worker is down
    isPolling = true;
    try {
      const control = await queryControl();
      if (control === undefined) return;
      await assertFence(job, fence);
      await writeControl(job, control);
      onUpdate(control);
    } catch {
      // The next poll catches up.
    } finally {
      isPolling = false;
    }
  };
  const timer = setInterval(() => void poll(), pollMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

async function queryControl(): Promise<TrainerControl | undefined> {
  const { client, info } = Context.current();
  if (info.workflowExecution === undefined) return undefined;
  const { workflowId, runId } = info.workflowExecution;
  const query = () => client.workflow.getHandle(workflowId, runId).query(controlQueryName);
  return TrainerControl.safeParse(await client.withDeadline(Date.now() + queryTimeoutMs, query)).data;
}
