import { hostname } from 'node:os';
import { Client } from '@temporalio/client';
import { Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { trainerGraceSeconds } from '../activities/shared/trainer/trainer-argv.ts';
import { checkProcess } from './check-process.ts';
import { connectWorker } from './connect.ts';
import { readVersion } from './env.ts';
import { exitWhenStuck } from './exit-when-stuck.ts';
import { hideErrorMessages } from './hide-error-messages.ts';
import { createDataConverter } from './payload-codec.ts';
import { requirePreparedNamespace } from './prepare-namespace.ts';
import { requireKeys } from './require-keys.ts';
import type { TemporalServer } from './temporal-server.ts';
import { formatVersion, readCurrentVersion, versioningOptions } from './worker-version.ts';

type QueueOptions = Omit<WorkerOptions, 'connection' | 'namespace'>;

/** As long as a draining worker may wait for the trainers that save. */
const stopMs = (trainerGraceSeconds + 15) * 1000;

/**
 * Runs a worker until SIGTERM or SIGINT.
 * @param queues options of one task queue or several.
 * @param onConnect runs before the first poll; its errors are only logged.
 */
export async function runWorker(
  server: TemporalServer,
  name: string,
  queues: QueueOptions | QueueOptions[],
  onConnect: (client: Client) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  await checkProcess();
  const { namespace, keys } = server;
  const dataConverter = createDataConverter(keys);
  const connection = await connectWorker(server);
  try {
    await requirePreparedNamespace(connection, server);
    const client = new Client({ connection, namespace, dataConverter });
    await requireKeys(client);
    const versioning = versioningOptions();
    if (keys !== undefined && keys.size > 0) hideErrorMessages(Runtime.instance().logger);
    const create = (options: QueueOptions) =>
      Worker.create({
        connection,
        namespace,
        dataConverter,
        identity: `${name}@${hostname()}:${process.pid} everswin ${readVersion()}`,
        // Time for which the server reserves a workflow task for a worker that died, which delays its successor.
        stickyQueueScheduleToStartTimeout: '2 seconds',
        // Cancellations and pauses arrive in the response to a heartbeat, so this bounds their delay.
        maxHeartbeatThrottleInterval: '5 seconds',
        ...versioning,
        ...options,
      });
    const workers = await Promise.all([queues].flat().map(create));
    const version = versioning.workerDeploymentOptions?.version;
    if (version !== undefined) console.log(formatVersion(version, await readCurrentVersion(client)));
    await onConnect(client).catch((error: unknown) => console.error(error));
    const endWatch = exitWhenStuck(workers, stopMs);
    try {
      await Promise.all(workers.map((worker) => worker.run()));
    } finally {
      endWatch();
    }
  } finally {
    await connection.close();
  }
}
