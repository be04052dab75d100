import { hostname } from 'node:os';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import { readEnv } from './env.ts';

/** Connects, works until SIGTERM or SIGINT, and closes. */
export async function runWorker(name: string, options: Omit<WorkerOptions, 'connection' | 'namespace'>): Promise<void> {
  const { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace } = readEnv();
  const connection = await NativeConnection.connect({ address });
  try {
    const worker = await Worker.create({
      connection,
      namespace,
      identity: `${name}@${hostname()}:${process.pid}`,
      ...options,
    });
    await worker.run();
  } finally {
    await connection.close();
  }
}
