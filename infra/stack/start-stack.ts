import { existsSync } from 'node:fs';
import { appendFile, mkdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { ensureMiniCoco } from '../../activities/inputs/mini-coco.ts';
import { processStartTicks } from '../../activities/shared/trainer/process-identity.ts';
import { stopTrainers } from '../../activities/train/stop-trainers.ts';
import { namespace } from '../../configs/names.ts';
import { homeFolders } from '../../configs/paths.ts';
import type { Incident } from '../../configs/schema/index.ts';
import { checkProcess } from '../../workers/check-process.ts';
import { connect } from '../../workers/connect.ts';
import { readEncryptionKeys } from '../../workers/encryption-keys.ts';
import { projectFile, readHookToken, toolPath, trainerEnv } from '../../workers/env.ts';
import { requireKeys } from '../../workers/require-keys.ts';
import { chooseEndpoints, chooseMetricsAddresses, type Endpoints, type MetricsAddresses } from './endpoints.ts';
import { startFileServer } from './file-server.ts';
import { killLeftovers } from './kill-leftovers.ts';
import { configureObjectStore, stackBucket, waitForObjectStore, type ObjectStore } from './object-store.ts';
import { ProcessGroup } from './process-group.ts';
import { requireOwnPort } from './port-owner.ts';
import {
  controlWorker,
  gpuWorker,
  gpuWorkerName,
  hookServer,
  isWorker,
  pageServer,
  temporalServer,
  uiProxy,
} from './process-specs.ts';
import { readStackFile, stackMarker, writeStackFile, type StackFile } from './stack-file.ts';
import type { Restart } from './supervised-process.ts';
import { waitForServer } from './temporal-server.ts';

export interface RunningStack {
  file: () => StackFile;
  /** Addresses of the metrics, if they are served. */
  metrics: MetricsAddresses | undefined;
  /** Stops workers, trainers and servers, in this order. */
  stop: () => Promise<void>;
}

export interface StackOptions {
  home: string;
  device: 'cpu' | 'cuda';
  /** Adds an S3 server for `artifacts.store`. */
  withObjectStore: boolean;
  /** Lets the workers serve Prometheus metrics. */
  withMetrics?: boolean;
  log: (line: string) => void;
}

/**
 * Starts the embedded stack: Temporal server, proxy of its UI, control worker, GPU worker, page server, and on request an
 * S3 server and the retraining hook. Each process is restarted when it exits. A file server offers the miniature COCO over HTTP.
 */
export async function startStack({
  home,
  device,
  withObjectStore,
  withMetrics = false,
  log,
}: StackOptions): Promise<RunningStack> {
  await checkProcess(); // the workers would exit again and again
  const folders = homeFolders(home);
  const withHook = readHookToken() !== undefined;
  for (const folder of [dirname(folders.stack), folders.logs]) await mkdir(folder, { recursive: true });
  await killLeftovers(home);
  if (!existsSync(folders.demoFiles)) log('Generating the miniature COCO of the demo');
  await ensureMiniCoco({ home, python: { executable: toolPath(home, 'python'), env: trainerEnv() } });

  const demoServer = await startFileServer({ folder: folders.demoFiles, port: 0 });
  const endpoints = await chooseEndpoints(withHook, await readStackFile(home));
  const objectStore = withObjectStore ? await configureStackObjectStore(home) : undefined;
  const metrics = withMetrics ? await chooseMetricsAddresses() : undefined;
  const env = stackEnv(home, endpoints, demoServer.url, objectStore, metrics);
  const processes = new ProcessGroup({ env, logs: folders.logs, onRestart });

  const startTicks = await ownStartTicks();
  const { address, uiUrl, pagesUrl, hookUrl } = endpoints;
  const file = (): StackFile => ({
    v: 1,
    host: hostname(),
    pid: process.pid,
    startTicks,
    address,
    uiUrl,
    pagesUrl,
    hookUrl,
    processes: processes.pids(),
  });

  function onRestart(restart: Restart): void {
    const { name, reason, restartedAfterSeconds } = restart;
    log(`${name} exited (${reason}); restarted after ${restartedAfterSeconds.toFixed(1)} s`);
    void recordIncident(folders.incidents, restart);
    void writeStackFile(home, file());
  }

  const stopAllTrainers = (): Promise<void> =>
    stopTrainers(home).catch((error: unknown) => log(`Could not stop the trainers: ${String(error)}`));

  const stop = async (): Promise<void> => {
    // At the same time: the worker records how its trainers ended, and starts no further one.
    await Promise.all([processes.stop((name) => name === gpuWorkerName), stopAllTrainers()]);
    await stopAllTrainers(); // one that started in the meantime
    await processes.stop(isWorker);
    await processes.stop((name) => !isWorker(name));
    for (const socket of objectStore?.sockets ?? []) await rm(socket, { force: true });
    await demoServer.close();
  };

  try {
    processes.start(await temporalServer(home, endpoints));
    if (objectStore !== undefined) processes.start(objectStore.process);
    await waitForServer(address, processes.logFile('temporal-server'));
    await requireOwnPort(endpoints.port);
    await requireKeysOf(address);
    if (objectStore !== undefined) await waitForObjectStore(objectStore, processes.logFile('object-store'));
    processes.start(controlWorker());
    processes.start(gpuWorker(device));
    processes.start(uiProxy(endpoints.uiPort, endpoints.ui));
    processes.start(pageServer(endpoints.pagesPort));
    if (endpoints.hookPort !== null) processes.start(hookServer(endpoints.hookPort));
    await writeStackFile(home, file());
  } catch (error) {
    await stop();
    throw error;
  }
  return { file, metrics, stop };
}

/** The workers would refuse to start, again and again. */
async function requireKeysOf(address: string): Promise<void> {
  const client = await connect({ address, namespace, keys: readEncryptionKeys() });
  await requireKeys(client).finally(() => client.connection.close());
}

function configureStackObjectStore(home: string): Promise<ObjectStore> {
  const { objectStore: folder } = homeFolders(home);
  return configureObjectStore({ executable: toolPath(home, 'weed'), folder, bucket: stackBucket, preferredPort: 8333 });
}

const stackEnv = (
  home: string,
  { address, pagesUrl }: Endpoints,
  demoUrl: string,
  objectStore: ObjectStore | undefined,
  metrics: MetricsAddresses | undefined,
): Record<string, string> => ({
  [stackMarker]: home,
  TEMPORAL_ADDRESS: address,
  TEMPORAL_NAMESPACE: namespace,
  TEMPORAL_CONFIG_FILE: projectFile('infra/stack/temporal.toml'),
  EVERSWIN_DEMO_URL: demoUrl,
  EVERSWIN_PAGES_URL: pagesUrl,
  // An empty variable counts as unset: the addresses in the environment are those of other workers.
  EVERSWIN_CONTROL_METRICS_ADDRESS: metrics?.control ?? '',
  EVERSWIN_GPU_METRICS_ADDRESS: metrics?.gpu ?? '',
  ...objectStore?.workerEnv,
});

async function ownStartTicks(): Promise<number> {
  const ticks = await processStartTicks(process.pid);
  if (ticks === undefined) throw new Error('Expected /proc to describe this process.');
  return ticks;
}

async function recordIncident(path: string, { name, pid, reason, restartedAfterSeconds }: Restart): Promise<void> {
  const incident: Incident = {
    v: 1,
    at: Date.now() / 1000 - restartedAfterSeconds,
    process: name,
    pid,
    how: reason,
    restartedAfterSeconds,
  };
  await appendFile(path, `${JSON.stringify(incident)}\n`);
}
