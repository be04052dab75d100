/** `npm run demo [-- --crash]`: the whole line on the miniature COCO, and with --crash through three kills -9. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { RunInput } from '../configs/schema.ts';
import { connect } from './connect.ts';
import { crashInTurn } from './crash-in-turn.ts';
import { followRun } from './follow-run.ts';
import { printResult } from './print-result.ts';
import { resolveStackArguments } from './stack/arguments.ts';
import { findRunningStack, type StackFile } from './stack/stack-file.ts';
import { startStack } from './stack/start-stack.ts';
import { startRun } from './start-run.ts';
import { untilInterrupted } from './until-interrupted.ts';

const { values } = parseArgs({ options: { crash: { type: 'boolean', default: false }, home: { type: 'string' } } });
const startedAt = performance.now();
const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s`;
const say = (line: string) => console.log(`[${elapsed()}] ${line}`);

const { home } = resolveStackArguments(values.home === undefined ? [] : ['--home', values.home]);
const running = await findRunningStack(home);
// The miniature is meant for a CPU, whatever the machine has: everyone sees the same numbers.
const own = running === undefined ? await startStack({ home, device: 'cpu', say }) : undefined;

async function main(stack: StackFile): Promise<void> {
  say(`Temporal UI  ${stack.uiUrl}`);
  const client = await connect(stack.address);
  const demo = RunInput.parse(JSON.parse(await readFile(`${import.meta.dirname}/../configs/runs/demo.json`, 'utf8')));
  const { handle } = await startRun(client, { ...demo, name: freshName(demo.name) });
  say(`${handle.workflowId} started`);
  const result = followRun(handle, say);
  if (values.crash) await Promise.race([crashInTurn(handle, home, say), result]);
  printResult(await result, stack.uiUrl, handle.workflowId);
  console.log(`Wall time    ${elapsed().trim()} after set-up`);
  await client.connection.close();
}

/** A demo is a run of its own each time: `demo-20261122-181500`. */
const freshName = (name: string): string =>
  `${name}-${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}`;

try {
  const stack = own?.file() ?? running;
  const interrupted = untilInterrupted().then(() => (process.exitCode = 130));
  if (stack !== undefined) await Promise.race([main(stack), interrupted]);
} catch (error) {
  console.error(error instanceof Error ? `The demo failed: ${error.message}` : error);
  if (error instanceof Error && error.cause instanceof Error) console.error(`because ${error.cause.message}`);
  process.exitCode = 1;
} finally {
  await own?.stop();
}
process.exit();
