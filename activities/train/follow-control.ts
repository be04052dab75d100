import { Context } from '@temporalio/activity';
import { controlQueryName } from '../../configs/names.ts';
import type { JobFolder } from '../../configs/paths.ts';
import { TrainerControl } from '../../configs/schema/index.ts';
import { assertFence } from '../shared/run/fence.ts';
import { writeControl } from '../shared/trainer/control-file.ts';

/** A trainer applies control values after a step of about a second, so polling more often gains nothing. */
const pollMs = 2_000;
/** Without a deadline a query waits indefinitely for a lost server. */
const queryTimeoutMs = 10_000;

/**
 * Polls the control values of the workflow while `work` runs and writes them to the control file. A failed poll is
 * ignored, because the next one repeats it and a failure here must not disturb the activity.
 */
export async function withControlUpdates<T>(
  job: JobFolder,
  fence: number,
  onControl: (control: TrainerControl) => void,
  work: () => Promise<T>,
): Promise<T> {
  let asking = false;
  const ask = async () => {
    if (asking) return; // a query takes long while no workflow worker runs
    asking = true;
    try {
      const control = await queryControl();
      if (control === undefined) return;
      await assertFence(job, fence);
      await writeControl(job, control);
      onControl(control);
    } catch {
      // The next poll repeats it.
    } finally {
      asking = false;
    }
  };
  const timer = setInterval(() => void ask(), pollMs);
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
