/**
 * `npm run start -- RUN.json`: starts a run, or joins the running one, and follows it in the terminal. With `--evaluate`
 * it tests the initial weights of the run and trains nothing.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { evaluationRun } from '../../configs/names.ts';
import { readRunInput } from '../../configs/parse-input.ts';
import { followRun } from '../client/follow-run.ts';
import { createLiveDisplay } from '../terminal/live-display.ts';
import { printResult } from '../terminal/print-result.ts';
import { withClient } from '../client/with-client.ts';
import { fail, runProgram } from '../terminal/program.ts';
import { defaultHome } from '../stack/arguments.ts';
import { startRun } from '../client/start-run.ts';
import { formatRunStatus } from '../terminal/format-run-status.ts';

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
  if (path === undefined) return fail(usage);
  const input = await readRunInput(path, readFile(path, 'utf8'));
  if (typeof input === 'string') return fail(input);

  await withClient(values.address, async (client, stack) => {
    const { evaluate } = values;
    const request = { ...input, fresh: input.fresh || values.fresh, force: input.force || values.force };
    const { handle, how } = await startRun(client, request, { evaluate });
    console.log(`${handle.workflowId}: ${how}${stack === undefined ? '' : `, see ${stack.uiUrl}`}`);
    const display = createLiveDisplay(process.stdout);
    const report = await followRun(handle, display.log, (snapshot) =>
      display.update(snapshot === null ? [] : formatRunStatus(snapshot.status, snapshot.preparation)),
    );
    const runId = evaluate ? evaluationRun(input.name) : input.name;
    printResult(report, { runId, workflowId: handle.workflowId, home: defaultHome(), uiUrl: stack?.uiUrl });
  });
}

await runProgram(main);
