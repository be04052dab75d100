/**
 * `npm run start -- RUN.json`: starts a run, or joins it when it runs already, and follows it in the terminal. With
 * `--evaluate` the detector that the run would begin with is tested, and nothing is trained.
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
    const asked = { ...input, fresh: input.fresh || values.fresh, force: input.force || values.force };
    const { handle, how } = await startRun(client, asked, { evaluate });
    console.log(`${handle.workflowId}: ${how}${stack === undefined ? '' : `, see ${stack.uiUrl}`}`);
    const block = createLiveDisplay(process.stdout);
    const report = await followRun(handle, block.log, (sight) =>
      block.update(sight === null ? [] : formatRunStatus(sight.status, sight.preparation)),
    );
    const runId = evaluate ? evaluationRun(input.name) : input.name;
    printResult(report, { runId, workflowId: handle.workflowId, home: defaultHome(), uiUrl: stack?.uiUrl });
  });
}

await runProgram(main);
