import { Context } from '@temporalio/activity';
import { ordersQueryName } from '../../configs/names.ts';
import type { JobFolder } from '../../configs/paths.ts';
import { Orders } from '../../configs/schema/index.ts';
import { assertFence } from '../shared/run/fence.ts';
import { handOnOrders } from '../shared/trainer/orders-file.ts';

/** An order is carried out by a trainer whose steps take about a second; asking more often would gain nothing. */
const askEveryMs = 2_000;
/** Without a limit a call waits for a lost server for ever. */
const answerWithinMs = 10_000;

/**
 * While `work` runs, asks the workflow what it wants of the trainer and hands it on. An order that cannot be fetched or
 * written now is fetched and written later: nothing here may disturb who watches the trainer.
 */
export async function whileFollowingOrders<T>(
  job: JobFolder,
  fence: number,
  onOrders: (orders: Orders) => void,
  work: () => Promise<T>,
): Promise<T> {
  let asking = false;
  const ask = async () => {
    if (asking) return; // a query of a workflow whose worker is away takes its time
    asking = true;
    try {
      const orders = await askWorkflow();
      if (orders === undefined) return;
      await assertFence(job, fence);
      await handOnOrders(job, orders);
      onOrders(orders);
    } catch {
      // The next one makes it good.
    } finally {
      asking = false;
    }
  };
  const timer = setInterval(() => void ask(), askEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

async function askWorkflow(): Promise<Orders | undefined> {
  const { client, info } = Context.current();
  if (info.workflowExecution === undefined) return undefined;
  const { workflowId, runId } = info.workflowExecution;
  const query = () => client.workflow.getHandle(workflowId, runId).query(ordersQueryName);
  return Orders.safeParse(await client.withDeadline(Date.now() + answerWithinMs, query)).data;
}
