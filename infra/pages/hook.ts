/** Serves the retraining hook on 127.0.0.1: `node infra/pages/hook.ts --port N`. */
import { parseArgs } from 'node:util';
import { createRetrainRequester } from './request-retraining.ts';
import { connect, connectLazily } from '../../workers/connect.ts';
import { readHookToken } from '../../workers/env.ts';
import { requireKeys } from '../../workers/require-keys.ts';
import { readServer, type TemporalServer } from '../../workers/temporal-server.ts';
import { startHookServer } from './hook-server.ts';
import { hookTokenVariable } from '../../configs/names.ts';

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const { port = '0' } = values;
const token = readHookToken();

if (token === undefined) fail(`The hook needs a token. Set ${hookTokenVariable} to 32 or more visible characters.`);
else if (!/^\d{1,5}$/.test(port)) fail(`Expected --port to be a number, got ${port}.`);
else {
  const temporal = readServer();
  const client = connectLazily(temporal);
  // Settings that are wrong show at the start, not at the first request; an outage is no reason to stop.
  checkServer(temporal).catch(logError);
  const requestRetraining = createRetrainRequester(client);
  const server = await startHookServer({ port: Number(port), token, requestRetraining, log: logLine });
  console.log(server.url);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void server.close().then(() => client.connection.close()));
}

async function checkServer(temporal: TemporalServer): Promise<void> {
  const client = await connect(temporal);
  await requireKeys(client).finally(() => client.connection.close());
}

function logLine(line: string): void {
  console.log(`${new Date().toISOString()}  ${line}`);
}

function logError(error: unknown): void {
  console.error(error instanceof Error ? error.message : error);
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 2;
}
