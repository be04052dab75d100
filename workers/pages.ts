/** Serves the pages of runs to browsers of this machine: `node --import tsx workers/pages.ts --port N`. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readEnv } from './env.ts';
import { startPageServer } from './page-server.ts';

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const { port = '0' } = values;

if (/^\d{1,5}$/.test(port)) {
  const server = await startPageServer({ home: resolve(readEnv().EVERSWIN_HOME), port: Number(port) });
  console.log(server.url);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close());
} else {
  console.error(`expected --port to be a number, got ${port}`);
  process.exitCode = 2;
}
