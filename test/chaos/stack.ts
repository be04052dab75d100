/** Stack of the chaos suite: a real Temporal server with its database, and workers that are restarted. */
import '../helpers/quiet-runtime.ts';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { bundleWorkflowCode, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { homeFolders } from '../../configs/paths.ts';
import { connect } from '../../workers/connect.ts';
import { readEncryptionKeys } from '../../workers/encryption-keys.ts';
import { createDataConverter } from '../../workers/payload-codec.ts';
import { startFileServer } from '../../infra/stack/file-server.ts';
import { findFreePort } from '../../infra/stack/free-port.ts';
import { SupervisedProcess, type Restart } from '../../infra/stack/supervised-process.ts';
import { stackMarker } from '../../infra/stack/stack-file.ts';
import { devServerArgv, waitForServer } from '../../infra/stack/temporal-server.ts';
import { bundlerOptions, workflowsPath } from '../../workers/workflow-bundle.ts';
import { startPartitionProxy } from '../fixtures/partition-proxy.ts';
import { pinnedTemporal } from '../helpers/project.ts';
import type { WorkerName } from './fault-plan.ts';
import { mountSmallDisk, unmountAll, type EndFault } from './lasting-faults.ts';
import { findMarked } from './processes.ts';
import type { Subject } from './subject.ts';
import { killAll } from '../helpers/kill-all.ts';

export type StackProcess = 'temporal-server' | 'control-worker' | 'gpu-worker';

export interface ChaosStack {
  home: string;
  /** Folder of `<run>/armed.json`. Its path in the environment marks the processes of our trainers. */
  chaosDir: string;
  /** `host:port` of the server. */
  address: string;
  client: Client;
  bundle: WorkflowBundleWithSourceMap;
  restarts: Restart[];
  pidOf: (name: StackProcess) => number | undefined;
  /** Separates a worker from the server. */
  disconnect: (worker: WorkerName, how: 'silent' | 'refused') => EndFault;
  /** Resolves when every killed process has been restarted. */
  ready: () => Promise<void>;
  /** Stops everything, including trainers. */
  stop: (keepHome: boolean) => Promise<void>;
}

const homeDiskMib = 512;
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, log() {} };

/** @param disk `small` puts the run folders on one small disk and everything else on another, for `disk-full`. */
export async function startChaosStack(subject: Subject, disk: 'shared' | 'small' = 'shared'): Promise<ChaosStack> {
  const home = await mkdtemp(`${tmpdir()}/everswin-chaos-`);
  const folders = homeFolders(home);
  const chaosDir = `${home}/chaos`;
  if (disk === 'small') {
    await mountSmallDisk(home, homeDiskMib);
    await mountSmallDisk(folders.runs, subject.smallDiskMib);
    // The files of the suite itself keep their space.
    await mountSmallDisk(chaosDir, 1);
  }
  await subject.prepare(home);
  for (const path of [`${home}/stack`, folders.logs, chaosDir, folders.demoFiles])
    await mkdir(path, { recursive: true });
  const files = await startFileServer({ folder: folders.demoFiles, port: 0 });
  const keys = readEncryptionKeys();
  const { failureConverterPath } = createDataConverter(keys);
  const bundle = await bundleWorkflowCode({ workflowsPath, ...bundlerOptions, failureConverterPath, logger: quiet });
  // Bundled once for all workers.
  await writeFile(`${home}/workflows.js`, bundle.code);

  const port = await findFreePort(0);
  const address = `127.0.0.1:${port}`;
  const restarts: Restart[] = [];
  const proxies = {
    'control-worker': await startPartitionProxy(address),
    'gpu-worker': await startPartitionProxy(address),
  };
  const supervise = (name: StackProcess, executable: string, argv: string[], graceMs: number): SupervisedProcess => {
    const logFile = `${folders.logs}/${name}.log`;
    const server = name === 'temporal-server' ? address : proxies[name].address;
    const env = { [stackMarker]: home, TEMPORAL_ADDRESS: server, EVERSWIN_DEMO_URL: files.url };
    return new SupervisedProcess({ name, executable, argv, env, logFile, graceMs }, (restart) =>
      restarts.push(restart),
    );
  };
  const worker = (name: StackProcess) =>
    supervise(name, process.execPath, [`${import.meta.dirname}/${name}.ts`, '--subject', subject.name], 20_000);

  const argv = devServerArgv({ port }, folders.database);
  const processes = [supervise('temporal-server', pinnedTemporal, argv, 10_000)];
  const serverLog = `${folders.logs}/temporal-server.log`;
  await waitForServer(address, serverLog);
  processes.push(worker('control-worker'), worker('gpu-worker'));
  const client = await connect({ address, namespace: 'default', keys });
  return {
    home,
    chaosDir,
    address,
    client,
    bundle,
    restarts,
    ready: async () => {
      while (processes.some(({ pid }) => pid === undefined)) await sleep(20);
      await waitForServer(address, serverLog);
    },
    pidOf: (name) => processes.find((one) => one.name === name)?.pid,
    disconnect: (worker, how) => {
      proxies[worker].cut(how);
      return () => proxies[worker].heal();
    },
    stop: async (keepHome) => {
      await client.connection.close();
      const [server, ...workers] = processes;
      await Promise.all(workers.map((one) => one.stop()));
      await server?.stop();
      killAll(findMarked('EVERSWIN_CHAOS_DIR', chaosDir).map(({ pid }) => pid));
      for (const proxy of Object.values(proxies)) await proxy.close();
      await files.close();
      await unmountAll(home, keepHome);
      if (!keepHome) await rm(home, { recursive: true, force: true });
    },
  };
}
