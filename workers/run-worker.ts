import { hostname } from 'node:os';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { readEnv } from './env.ts';

type QueueOptions = Omit<WorkerOptions, 'connection' | 'namespace'>;

/**
 * Connects, works until SIGTERM or SIGINT, and closes.
 * @param queues what it works on: one task queue, or several.
 * @param beforeWork runs before the first task is taken; what it cannot do must not keep the worker from its work.
 */
export async function runWorker(
  name: string,
  queues: QueueOptions | QueueOptions[],
  beforeWork: (client: Client) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace } = readEnv();
  const connection = await NativeConnection.connect({ address });
  try {
    const create = (options: QueueOptions) =>
      Worker.create({
        connection,
        namespace,
        identity: `${name}@${hostname()}:${process.pid}`,
        // How long the server keeps a run's next step for a worker that died: its successor waits as long.
        stickyQueueScheduleToStartTimeout: '2 seconds',
        ...options,
      });
    const workers = await Promise.all([queues].flat().map(create));
    await beforeWork(new Client({ connection, namespace })).catch((error: unknown) => console.error(error));
    await Promise.all(workers.map((worker) => worker.run()));
  } finally {
    await connection.close();
  }
}
