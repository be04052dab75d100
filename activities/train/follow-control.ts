import { Context } from '@temporalio/activity';
import { controlQueryName } from '../../configs/names.ts';
import type { JobFolder } from '../../configs/paths.ts';
import { TrainerControl } from '../../configs/schema/index.ts';
import { assertFence } from '../shared/run/fence.ts';
import { writeControl } from '../shared/trainer/control-file.ts';

/** An order is carried out by a trainer whose steps take about a second; asking more often would gain nothing. */
const pollMs = 2_000;
/** Without a limit a call waits for a lost server for ever. */
const queryTimeoutMs = 10_000;

/**
 * While `work` runs, asks the workflow what it wants of the trainer and hands it on. An order that cannot be fetched or
 * written now is fetched and written later: nothing here may disturb who watches the trainer.
 */
export async function withControlUpdates<T>(
  job: JobFolder,
  fence: number,
  onOrders: (orders: TrainerControl) => void,
  work: () => Promise<T>,
): Promise<T> {
  let asking = false;
  const ask = async () => {
    if (asking) return; // a query of a workflow whose worker is away takes its time
    asking = true;
    try {
      const orders = await queryControl();
      if (orders === undefined) return;
      await assertFence(job, fence);
      await writeControl(job, orders);
      onOrders(orders);
    } catch {
      // The next one makes it good.
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
