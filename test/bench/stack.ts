/** Stack of the benchmarks: a real Temporal server with its database and both workers, restarted as by `everswin up`. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Client } from '@temporalio/client';
import { bundleWorkflowCode } from '@temporalio/worker';
import { homeFolders } from '../../configs/paths.ts';
import { connect } from '../../workers/connect.ts';
import { findFreePort } from '../../infra/stack/free-port.ts';
import { SupervisedProcess } from '../../infra/stack/supervised-process.ts';
import { stackMarker } from '../../infra/stack/stack-file.ts';
import { devServerArgv, waitForServer } from '../../infra/stack/temporal-server.ts';
import { bundlerOptions, workflowsPath } from '../../workers/workflow-bundle.ts';
import { pinnedTemporal } from '../helpers/project.ts';

export interface BenchStack {
  home: string;
  client: Client;
  server: SupervisedProcess;
  controlWorker: SupervisedProcess;
  gpuWorker: SupervisedProcess;
  /** Resolves when the server answers. */
  waitForServer: () => Promise<void>;
  stop: () => Promise<void>;
}

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, log() {} };

/** @param program of the workers, a file of this folder. */
export async function startBenchStack(program = 'worker.ts'): Promise<BenchStack> {
  const home = await mkdtemp(`${tmpdir()}/everswin-bench-`);
  const folders = homeFolders(home);
  await Promise.all([`${home}/stack`, folders.logs].map((path) => mkdir(path, { recursive: true })));
  const bundle = await bundleWorkflowCode({ workflowsPath, ...bundlerOptions, logger: quiet });
  await writeFile(`${home}/workflows.js`, bundle.code);

  const port = await findFreePort(0);
  const address = `127.0.0.1:${port}`;
  const supervise = (name: string, executable: string, argv: string[]): SupervisedProcess => {
    const env = { [stackMarker]: home, TEMPORAL_ADDRESS: address };
    return new SupervisedProcess(
      { name, executable, argv, env, logFile: `${folders.logs}/${name}.log`, graceMs: 10_000 },
      () => {},
    );
  };
  const worker = (role: string) =>
    supervise(`${role}-worker`, process.execPath, [`${import.meta.dirname}/${program}`, '--role', role]);

  const argv = devServerArgv({ port }, folders.database);
  const server = supervise('temporal-server', pinnedTemporal, argv);
  const serverReady = () => waitForServer(address, `${folders.logs}/temporal-server.log`);
  await serverReady();
  const [controlWorker, gpuWorker] = [worker('control'), worker('gpu')];
  const client = await connect({ address, namespace: 'default' });
  return {
    home,
    client,
    server,
    controlWorker,
    gpuWorker,
    waitForServer: serverReady,
    stop: async () => {
      await client.connection.close();
      await Promise.all([controlWorker.stop(), gpuWorker.stop()]);
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}
