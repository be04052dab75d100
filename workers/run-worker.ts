import { hostname } from 'node:os';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { readEnv } from './env.ts';

/**
 * Connects, works until SIGTERM or SIGINT, and closes.
 * @param beforeWork runs before the first task is taken; what it cannot do must not keep the worker from its work.
 */
export async function runWorker(
  name: string,
  options: Omit<WorkerOptions, 'connection' | 'namespace'>,
  beforeWork: (client: Client) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace } = readEnv();
  const connection = await NativeConnection.connect({ address });
  try {
    const worker = await Worker.create({
      connection,
      namespace,
      identity: `${name}@${hostname()}:${process.pid}`,
      // How long the server keeps a run's next step for a worker that died: its successor waits as long.
      stickyQueueScheduleToStartTimeout: '2 seconds',
      ...options,
    });
    await beforeWork(new Client({ connection, namespace })).catch((error: unknown) => console.error(error));
    await worker.run();
  } finally {
    await connection.close();
  }
}
