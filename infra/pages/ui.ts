/** Serves the Temporal UI on 127.0.0.1: `node infra/pages/ui.ts --target http://HOST:PORT --port N`. */
import { parseArgs } from 'node:util';
import { startUiProxy } from './ui-proxy.ts';

const { values } = parseArgs({ options: { port: { type: 'string' }, target: { type: 'string' } } });
const { port = '0', target = '' } = values;

if (!/^\d{1,5}$/.test(port)) fail(`Expected --port to be a number, got ${port}.`);
else if (!URL.canParse(target)) fail(`Expected --target to be the address of the Temporal UI, got ${target}.`);
else {
  const server = await startUiProxy({ port: Number(port), target });
  console.log(server.url);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close());
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 2;
}
