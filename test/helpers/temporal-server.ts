/** Starts a Temporal dev server for each parallel fork of a test run, and bundles the workflows once for all of them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { bundleWorkflowCode } from '@temporalio/worker';
import type { TestProject } from 'vitest/node';
import { findFreePorts } from '../../infra/stack/free-port.ts';
import { SupervisedProcess } from '../../infra/stack/supervised-process.ts';
import { devServerArgv, waitForServer } from '../../infra/stack/temporal-server.ts';
import { bundlerOptions, workflowsPath } from '../../workers/workflow-bundle.ts';
import { pinnedTemporal } from './project.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** One address for each fork, because the names of the task queues are fixed. */
    temporalAddresses: string[];
    workflowBundlePath: string;
  }
}

/** Lowers the limit of 4,096 events after which the server suggests Continue-As-New, so that a test reaches it. */
const shortHistories = ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=400'];
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, log() {} };

export default async function startTemporal(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(`${tmpdir()}/everswin-temporal-`);
  const forks = project.vitest.config.poolOptions?.forks?.maxForks ?? 1;
  const [servers] = await Promise.all([startServers(folder, forks), bundleWorkflows(`${folder}/workflows.js`)]);
  project.provide(
    'temporalAddresses',
    servers.map(({ address }) => address),
  );
  project.provide('workflowBundlePath', `${folder}/workflows.js`);
  return async () => {
    await Promise.all(servers.map(({ stop }) => stop()));
    await rm(folder, { recursive: true, force: true });
  };
}

async function startServers(folder: string, count: number): Promise<{ address: string; stop: () => Promise<void> }[]> {
  const ports = await findFreePorts(count);
  return Promise.all(
    ports.map(async (port, index) => {
      const argv = [...devServerArgv({ port }, `${folder}/temporal-${index}.db`), ...shortHistories];
      const logFile = `${folder}/server-${index}.log`;
      const server = new SupervisedProcess(
        { name: 'temporal-server', executable: pinnedTemporal, argv, env: {}, logFile, graceMs: 5_000 },
        (death) => console.error('a Temporal server of the tests has ended', death),
      );
      const address = `127.0.0.1:${port}`;
      await waitForServer(address, logFile);
      return { address, stop: () => server.stop() };
    }),
  );
}

async function bundleWorkflows(path: string): Promise<void> {
  const { code } = await bundleWorkflowCode({ workflowsPath, ...bundlerOptions, logger: quiet });
  await writeFile(path, code);
}
