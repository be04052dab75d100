/** The surroundings of all runs of one command: a real server with its database, and workers that are started again. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { bundleWorkflowCode, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { homeFolders } from '../../configs/paths.ts';
import { connect } from '../../infra/client/connect.ts';
import { startFileServer } from '../../infra/stack/file-server.ts';
import { findFreePort } from '../../infra/stack/free-port.ts';
import { SupervisedProcess, type Restart } from '../../infra/stack/supervised-process.ts';
import { stackMarker } from '../../infra/stack/stack-file.ts';
import { devServerArgv, waitForServer } from '../../infra/stack/temporal-server.ts';
import { pinnedTemporal, projectHome, projectRoot } from '../helpers/project.ts';
import { findMarked } from './processes.ts';
import type { Subject } from './subject.ts';

export type StackProcess = 'temporal-server' | 'control-worker' | 'gpu-worker';

export interface ChaosStack {
  home: string;
  /** Where kills are armed: `<chaosDir>/<run>/armed.json`. Its name marks every process of a trainer as ours. */
  chaosDir: string;
  client: Client;
  bundle: WorkflowBundleWithSourceMap;
  deaths: Restart[];
  pidOf: (name: StackProcess) => number | undefined;
  /** Resolves when everything that a kill took away is back. */
  ready: () => Promise<void>;
  /** Of everything that was started nothing is left, not even a trainer. */
  stop: (keepHome: boolean) => Promise<void>;
}

const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, log() {} };

export async function startChaosStack(subject: Subject): Promise<ChaosStack> {
  const home = await mkdtemp(`${tmpdir()}/everswin-chaos-`);
  const folders = homeFolders(home);
  const chaosDir = `${home}/chaos`;
  await symlink(`${projectHome}/tools`, `${home}/tools`);
  await subject.prepare(home);
  for (const path of [`${home}/stack`, folders.logs, chaosDir, folders.demoFiles])
    await mkdir(path, { recursive: true });
  const files = await startFileServer({ folder: folders.demoFiles, port: 0 });
  const bundle = await bundleWorkflowCode({ workflowsPath: `${projectRoot}/workflows/index.ts`, logger: quiet });
  // Once for all the workers that are going to be started.
  await writeFile(`${home}/workflows.js`, bundle.code);

  const port = await findFreePort(0);
  const address = `127.0.0.1:${port}`;
  const deaths: Restart[] = [];
  const keep = (name: StackProcess, executable: string, argv: string[], graceMs: number): SupervisedProcess => {
    const log = `${folders.logs}/${name}.log`;
    const env = { [stackMarker]: home, TEMPORAL_ADDRESS: address, EVERSWIN_DEMO_URL: files.url };
    return new SupervisedProcess({ name, executable, argv, env, logFile: log, graceMs }, (death) => deaths.push(death));
  };
  const worker = (name: StackProcess) =>
    keep(
      name,
      process.execPath,
      ['--import', 'tsx', `${import.meta.dirname}/${name}.ts`, '--subject', subject.name],
      20_000,
    );

  const argv = devServerArgv({ port, uiPort: await findFreePort(0) }, folders.database);
  const kept = [keep('temporal-server', pinnedTemporal, argv, 10_000)];
  const serverLog = `${folders.logs}/temporal-server.log`;
  await waitForServer(address, serverLog);
  kept.push(worker('control-worker'), worker('gpu-worker'));
  const client = await connect(address);
  return {
    home,
    chaosDir,
    client,
    bundle,
    deaths,
    ready: async () => {
      while (kept.some(({ pid }) => pid === undefined)) await sleep(20);
      await waitForServer(address, serverLog);
    },
    pidOf: (name) => kept.find((one) => one.name === name)?.pid,
    stop: async (keepHome) => {
      await client.connection.close();
      const [server, ...workers] = kept;
      await Promise.all(workers.map((one) => one.stop()));
      await server?.stop();
      for (const { pid } of findMarked('EVERSWIN_CHAOS_DIR', chaosDir)) process.kill(pid, 'SIGKILL');
      await files.close();
      if (!keepHome) await rm(home, { recursive: true, force: true });
    },
  };
}
