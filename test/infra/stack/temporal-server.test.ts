import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { namespace, searchAttributes } from '../../../configs/names.ts';
import { findFreePort } from '../../../infra/stack/free-port.ts';
import { devServerArgv, isCompatibleCli, waitForServer } from '../../../infra/stack/temporal-server.ts';
import { connect } from '../../../workers/connect.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';

test.each([
  ['temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)', true],
  ['temporal version 1.9.0 (Server 1.31.0, UI 2.53.0)', true],
  ['temporal version 3.0.0 (Server 2.0.0, UI 3.0.0)', true],
  ['temporal version 1.5.0 (Server 1.29.0, UI 2.41.0)', false],
  ['temporal version 0.13.2 (server 1.24.0)', false],
  ['command not found', false],
])('isCompatibleCli(%j) returns %s', (line, usable) => {
  expect(isCompatibleCli(line)).toBe(usable);
});

test('devServerArgv binds to 127.0.0.1, hides the UI and names the database', () => {
  const argv = devServerArgv({ port: 1, ui: { host: '127.1.2.3', port: 2 } }, '/home/db').join(' ');
  expect(argv).toContain('--ip 127.0.0.1 --port 1 ');
  expect(argv).toContain(' --ui-ip 127.1.2.3 --ui-port 2 --db-filename /home/db');
  expect(argv).toContain('synchronous=2');
  expect(devServerArgv({ port: 1 }, '/home/db')).toContain('--headless');
});

test('waitForServer adds an attribute that an older database lacks, and keeps finished workflows for a year', async () => {
  const { connection } = await connect({ address: temporalAddress(), namespace });
  await connection.operatorService.removeSearchAttributes({ namespace, searchAttributes: ['Goodput'] });
  await waitForServer(temporalAddress(), 'server.log');
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining(Object.keys(searchAttributes)));
  const { config } = await connection.workflowService.describeNamespace({ namespace });
  expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBeGreaterThanOrEqual(365 * 24 * 3600);
  await connection.close();
});

test('findFreePort returns another port when the preferred one is in use', async () => {
  const taken = await findFreePort(0);
  const server = createServer().listen(taken, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const found = await findFreePort(taken);
  server.close();
  expect(found).not.toBe(taken);
  expect(found).toBeGreaterThan(0);
});
