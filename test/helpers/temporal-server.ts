/** Starts one Temporal dev server for all tests of a run, from the pinned binary, on a free port. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { TestProject } from 'vitest/node';
import { findFreePort } from '../../infra/stack/free-port.ts';
import { SupervisedProcess } from '../../infra/stack/supervised-process.ts';
import { devServerArgv, waitForServer } from '../../infra/stack/temporal-server.ts';
import { pinnedTemporal } from './project.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    temporalAddress: string;
  }
}

/** Lowers the limit of 4,096 events after which the server suggests Continue-As-New, so that a test reaches it. */
const shortHistories = ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=400'];

export default async function startTemporal(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(`${tmpdir()}/everswin-temporal-`);
  const port = await findFreePort(0);
  const argv = [...devServerArgv({ port, uiPort: await findFreePort(0) }, `${folder}/temporal.db`), ...shortHistories];
  const log = `${folder}/server.log`;
  const server = new SupervisedProcess(
    { name: 'temporal-server', executable: pinnedTemporal, argv, env: {}, logFile: log, graceMs: 5_000 },
    (death) => console.error('the Temporal server of the tests has ended', death),
  );
  await waitForServer(`127.0.0.1:${port}`, log);
  project.provide('temporalAddress', `127.0.0.1:${port}`);
  return async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
}
