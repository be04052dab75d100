/** `npm run sweep -- SWEEP.json`: starts a sweep, or joins the running one, and follows it in the terminal. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { compareId, taskQueues, workflowTypes } from '../../configs/names.ts';
import { readSweepInput } from '../../configs/parse-input.ts';
import { homeFolders } from '../../configs/paths.ts';
import type { compareRecipes } from '../../workflows/index.ts';
import { followSweep } from '../client/follow-sweep.ts';
import { withClient } from '../client/with-client.ts';
import { fail, runProgram } from '../terminal/program.ts';
import { defaultHome } from '../stack/arguments.ts';

const usage = 'Usage: npm run sweep -- configs/sweeps/demo.json [--address HOST:PORT]';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { address: { type: 'string' } } });
  const [path] = positionals;
  if (path === undefined) return fail(usage);
  const input = await readSweepInput(path, readFile(path, 'utf8'));
  if (typeof input === 'string') return fail(input);

  await withClient(values.address, async (client, stack) => {
    const handle = await client.workflow.start<typeof compareRecipes>(workflowTypes.compareRecipes, {
      taskQueue: taskQueues.control,
      workflowId: compareId(input.name),
      args: [input],
      workflowIdConflictPolicy: 'USE_EXISTING',
      // Restarting a sweep keeps its finished runs and retries the failed ones.
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: `${input.variants.length} variants of ${input.base.recipe} on ${input.base.dataset}`,
    });
    console.log(`${handle.workflowId}${stack === undefined ? '' : `, see ${stack.uiUrl}`}`);
    const { verdict, uri } = await followSweep(handle, console.log);
    console.log(
      ['', ...verdict, '', `Report  ${uri}`, `        ${homeFolders(defaultHome()).comparison(input.name)}`].join('\n'),
    );
  });
}

await runProgram(main);
