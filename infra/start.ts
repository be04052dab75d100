/**
 * `npm run start -- RUN.json`: starts a run, or joins it when it runs already, and follows it in the terminal. With
 * `--evaluate` the detector that the run would begin with is tested, and nothing is trained.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { evaluationRun } from '../configs/names.ts';
import { readRunInput } from '../configs/parse-input.ts';
import { connect } from './connect.ts';
import { explain } from './explain.ts';
import { followRun } from './follow-run.ts';
import { createLiveBlock } from './live-block.ts';
import { printResult } from './print-result.ts';
import { defaultHome } from './stack/arguments.ts';
import { findRunningStack } from './stack/stack-file.ts';
import { startRun } from './start-run.ts';
import { renderStatus } from './status-lines.ts';

const usage = 'Usage: npm run start -- configs/runs/demo.json [--evaluate] [--fresh] [--force] [--address HOST:PORT]';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      address: { type: 'string' },
      evaluate: { type: 'boolean', default: false },
      fresh: { type: 'boolean', default: false },
      force: { type: 'boolean', default: false },
    },
  });
  const [path] = positionals;
  if (path === undefined) return refuse(usage);
  const input = await readRunInput(path, readFile(path, 'utf8'));
  if (typeof input === 'string') return refuse(input);

  const stack = await findRunningStack(defaultHome);
  const client = await connect(values.address ?? stack?.address ?? '127.0.0.1:7233').catch(() => undefined);
  if (client === undefined)
    return refuse('There is no Temporal server to talk to. Type `npm run up` in another terminal first.');
  const { evaluate } = values;
  const asked = { ...input, fresh: input.fresh || values.fresh, force: input.force || values.force };
  const { handle, how } = await startRun(client, asked, { evaluate });
  console.log(`${handle.workflowId}: ${how}${stack === undefined ? '' : `, see ${stack.uiUrl}`}`);
  const block = createLiveBlock(process.stdout);
  const report = await followRun(handle, block.say, (sight) =>
    block.show(sight === null ? [] : renderStatus(sight.status, sight.obtaining)),
  );
  const runId = evaluate ? evaluationRun(input.name) : input.name;
  printResult(report, { runId, workflowId: handle.workflowId, home: defaultHome, uiUrl: stack?.uiUrl });
  await client.connection.close();
}

function refuse(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

await main().catch((error: unknown) => {
  refuse(explain(error));
});
