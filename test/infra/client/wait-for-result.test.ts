import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { processStartTicks } from '../../../activities/shared/trainer/process-identity.ts';
import { namespace } from '../../../configs/names.ts';
import { connect } from '../../../workers/connect.ts';
import { waitForResult } from '../../../infra/client/wait-for-result.ts';
import { watchServer } from '../../../infra/client/watch-server.ts';
import { chooseEndpoints } from '../../../infra/stack/endpoints.ts';
import { findFreePort, findFreePorts } from '../../../infra/stack/free-port.ts';
import { writeStackFile } from '../../../infra/stack/stack-file.ts';
import { SupervisedProcess } from '../../../infra/stack/supervised-process.ts';
import { devServerArgv, waitForServer } from '../../../infra/stack/temporal-server.ts';
import { pinnedTemporal } from '../../helpers/project.ts';
import { until } from '../../helpers/until.ts';

let home: string;
const servers: SupervisedProcess[] = [];
beforeEach(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-follow-`);
  await mkdir(`${home}/stack`);
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await rm(home, { recursive: true, force: true });
});

/** Starts the server of the home on free ports, as a stack does. @returns its address. */
async function startServer(): Promise<string> {
  const port = await findFreePort(0);
  const address = `127.0.0.1:${port}`;
  const argv = devServerArgv({ port }, `${home}/temporal.db`);
  const logFile = `${home}/server.log`;
  const spec = { name: 'server', executable: pinnedTemporal, argv, env: {}, logFile, graceMs: 5_000 };
  servers.push(new SupervisedProcess(spec, () => undefined));
  await waitForServer(address, logFile);
  const startTicks = (await processStartTicks(process.pid)) ?? 0;
  const urls = { uiUrl: 'http://127.0.0.1:1', pagesUrl: 'http://127.0.0.1:1', hookUrl: null };
  await writeStackFile(home, { v: 1, host: hostname(), pid: process.pid, startTicks, address, ...urls, processes: {} });
  return address;
}

test('waitForResult follows a workflow to the port on which the stack starts again', async () => {
  const first = await startServer();
  const client = await connect({ address: first, namespace: 'default' });
  const handle = await client.workflow.start('any', { taskQueue: 'none', workflowId: 'train:followed' });
  const lines: string[] = [];
  const polled = new Set<WorkflowHandle>();
  const result = waitForResult(handle, {
    poll: (now) => Promise.resolve(polled.add(now).size > 0),
    log: (line) => lines.push(line),
    watchServer: watchServer({ address: first, namespace, source: 'stack', uiUrl: undefined }, home),
  });
  result.catch(() => undefined);
  await servers.pop()?.stop();
  await until(() => Promise.resolve(lines.length > 0 || undefined));
  const second = await startServer();
  await until(() => Promise.resolve(polled.size > 1 || undefined));
  const again = await connect({ address: second, namespace: 'default' });
  await again.workflow.getHandle('train:followed').terminate();
  await expect(result).rejects.toThrow(WorkflowFailedError);
  expect(lines).toEqual([
    `No Temporal server responds at ${first}. This view waits for the stack of this folder: everswin up. What is running continues.`,
    `Connected again: Temporal at ${second}.`,
  ]);
  for (const { connection } of [client, again]) await connection.close();
});

test('waitForResult ends when the server at the address does not know the workflow', async () => {
  const client = await connect({ address: await startServer(), namespace: 'default' });
  const unknown = client.workflow.getHandle('train:unknown');
  const following = { poll: () => Promise.resolve(true), log: () => undefined };
  await expect(waitForResult(unknown, following)).rejects.toThrow(/not found/i);
  await client.connection.close();
});

test('chooseEndpoints keeps the ports of the last stack while they are free', async () => {
  const [port = 0, uiPort = 0, pagesPort = 0] = await findFreePorts(3);
  const url = (of: number) => `http://127.0.0.1:${of}`;
  const last = { address: `127.0.0.1:${port}`, uiUrl: url(uiPort), pagesUrl: url(pagesPort), hookUrl: null };
  expect(await chooseEndpoints(false, last)).toMatchObject({ port, uiPort, pagesPort, hookPort: null, ...last });
});
