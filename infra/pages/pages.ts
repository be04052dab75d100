/** Serves the pages of runs and models on 127.0.0.1: `node infra/pages/pages.ts --port N`. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readEnv } from '../../workers/env.ts';
import { openNamedStore } from '../../workers/open-named-store.ts';
import { startPageServer } from './page-server.ts';

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const { port = '0' } = values;

if (/^\d{1,5}$/.test(port)) {
  const env = readEnv();
  const store = openNamedStore(env.EVERSWIN_MODELS_STORE, env);
  const server = await startPageServer({ home: resolve(env.EVERSWIN_HOME), store, port: Number(port) });
  console.log(server.url);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close());
} else {
  console.error(`Expected --port to be a number, got ${port}.`);
  process.exitCode = 2;
}
