import { randomUUID } from 'node:crypto';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { searchAttributes } from '../../configs/names.ts';
import { startRun } from '../../infra/client/start-run.ts';
import { connect, connectLazily } from '../../workers/connect.ts';
import { createNamespace, prepareNamespace } from '../../workers/prepare-namespace.ts';
import { runWorker } from '../../workers/run-worker.ts';
import { startKeyProxy } from '../fixtures/key-proxy.ts';
import { projectRoot } from '../helpers/project.ts';
import '../helpers/quiet-runtime.ts';
import { temporalAddress } from '../helpers/temporal-address.ts';
import { until } from '../helpers/until.ts';
import { freshInput } from '../helpers/workflow-env.ts';

const address = temporalAddress();
const containing = (text: string): unknown => expect.stringContaining(text);

/** Creates a namespace as an administrator does, without anything of everswin. */
async function bareNamespace(): Promise<string> {
  const namespace = `lab-${randomUUID().slice(0, 8)}`;
  const server = { address, namespace };
  const { connection } = connectLazily(server);
  await createNamespace({ connection, namespace }, 3);
  await connection.close();
  const client = await until(() => connect(server).catch(() => undefined));
  await client.connection.close();
  return namespace;
}

const everswin = (namespace: string, ...argv: string[]) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, ...argv], {
    env: { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, EVERSWIN_HOME: '/nowhere/everswin' },
    reject: false,
  });

test('a worker refuses a namespace that is not prepared with the command that prepares it', async () => {
  const namespace = await bareNamespace();
  const starting = runWorker({ address, namespace }, 'any', { taskQueue: 'none' });
  const command = `TEMPORAL_NAMESPACE=${namespace} everswin namespace prepare --address ${address}`;
  await expect(starting).rejects.toThrow(
    `The namespace ${namespace} at ${address} lacks the search attributes ${Object.keys(searchAttributes).join(', ')}. Prepare it: ${command}`,
  );
  const first = await everswin(namespace, 'namespace', 'prepare', '--address', address);
  expect([first.exitCode, first.stdout]).toEqual([0, expect.stringContaining('added Phase, Recipe, Epoch')]);
  expect(first.stdout).toMatch(/warning +retention +3 days\n +→ .*--retention 365/);
  const second = await everswin(namespace, 'namespace', 'prepare', '--retention', '365');
  expect([second.exitCode, second.stdout]).toEqual([0, expect.stringContaining('365 days instead of 3 days')]);
  const third = await everswin(namespace, 'namespace', 'prepare');
  expect(third.stdout).toContain('3 ok, 0 warnings, 0 errors');
  expect(third.stdout).not.toContain('added');
});

test('namespace prepare --create creates a namespace, whose runs only its own commands see', async () => {
  const namespace = `second-${randomUUID().slice(0, 8)}`;
  const missing = await everswin(namespace, 'namespace', 'prepare');
  expect([missing.exitCode, missing.stderr]).toEqual([1, expect.stringContaining('does not exist')]);
  const created = await everswin(namespace, 'namespace', 'prepare', '--create');
  expect([created.exitCode, created.stdout]).toEqual([
    0,
    expect.stringContaining(`Created the namespace ${namespace}.`),
  ]);
  expect(created.stdout).toMatch(/ok +retention +365 days/);
  const client = await connect({ address, namespace });
  const input = freshInput();
  const { handle } = await startRun(client, input);
  await until(async () => (await everswin(namespace, 'status')).stdout.includes(input.name) || undefined);
  expect((await everswin('default', 'status')).stdout).not.toContain(input.name);
  await handle.terminate();
  await client.connection.close();
});

test('a client without permissions gets the commands for an administrator', async () => {
  const namespace = await bareNamespace();
  const denied = /OperatorService|UpdateNamespace|ListSchedules/;
  const proxy = await startKeyProxy(address, 'key', denied);
  const server = { address: proxy.address, namespace, apiKey: 'key', tls: false };
  await expect(runWorker(server, 'any', { taskQueue: 'none' })).rejects.toThrow('lacks the search attributes Phase');
  const { connection } = await connect(server);
  const checks = await prepareNamespace({ connection, namespace }, { retentionDays: 365 });
  expect(checks).toMatchObject([
    {
      verdict: 'error',
      remedy: containing(`search-attribute create --namespace ${namespace} --name Phase`),
    },
    { verdict: 'warning', remedy: containing(`update --namespace ${namespace} --retention 365d`) },
    { verdict: 'error', message: 'not permitted: list schedules (Request unauthorized.)' },
  ]);
  // The administrator runs them; from then on the same client can work.
  const admin = await connect({ address, namespace });
  await prepareNamespace({ connection: admin.connection, namespace }, {});
  await until(async () => {
    const [attributes] = await prepareNamespace({ connection, namespace }, {});
    return attributes?.verdict === 'ok' || undefined;
  });
  await Promise.all([connection.close(), admin.connection.close(), proxy.close()]);
});

test('a search attribute of another type and a full namespace are named', async () => {
  const namespace = await bareNamespace();
  const { connection } = await connect({ address, namespace });
  const add = (attributes: Record<string, number>) =>
    connection.operatorService.addSearchAttributes({ namespace, searchAttributes: attributes });
  const attributes = async () => (await prepareNamespace({ connection, namespace }, {}))[0];
  await add({ Other: 4 });
  expect(await attributes()).toMatchObject({
    message: containing('cannot have more than 3 search attribute of type Double'),
    remedy: containing('another namespace'),
  });
  await add({ Epoch: 2 });
  expect(await attributes()).toMatchObject({ verdict: 'error', message: 'Epoch (Keyword instead of Int)' });
  await expect(runWorker({ address, namespace }, 'any', { taskQueue: 'none' })).rejects.toThrow(
    'has search attributes of other types: Epoch (Keyword instead of Int)',
  );
  await connection.close();
});
