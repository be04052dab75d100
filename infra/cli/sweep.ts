import { compareId, taskQueues, workflowTypes } from '../../configs/names.ts';
import { parseSweepInput } from '../../configs/parse-input.ts';
import { homeFolders } from '../../configs/paths.ts';
import type { compareRecipes } from '../../workflows/index.ts';
import { findChangedSettings, isRunning } from '../client/changed-settings.ts';
import { followSweep } from '../client/follow-sweep.ts';
import { watchServer } from '../client/watch-server.ts';
import { withClient } from '../client/with-client.ts';
import { defaultHome } from '../stack/stack-options.ts';
import { formatRunHints } from '../client/run-hints.ts';
import { untilInterrupted } from '../terminal/wait-for-interrupt.ts';
import { readSweepInput } from './read-input.ts';

/** Starts the sweep of a file, or joins the running one, and follows it in the terminal. */
export async function sweep(file: string, options: { address?: string | undefined; wait: boolean }): Promise<void> {
  const input = await readSweepInput(file);
  const id = compareId(input.name);
  await withClient(options.address, async (client, server) => {
    if (await isRunning(client, id)) {
      const changed = await findChangedSettings(client, id, parseSweepInput, input);
      if (changed !== undefined)
        throw new Error(
          `${id} is already running with other settings: ${changed}. The file does not change it. Give the sweep another name, or end the running one: everswin cancel ${id}.`,
        );
    }
    const handle = await client.workflow.start<typeof compareRecipes>(workflowTypes.compareRecipes, {
      taskQueue: taskQueues.control,
      workflowId: id,
      args: [input],
      workflowIdConflictPolicy: 'USE_EXISTING',
      // Restarting a sweep keeps its finished runs and retries the failed ones.
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: `${input.variants.length} variants of ${input.base.recipe} on ${input.base.dataset}`,
    });
    const hints = formatRunHints({ name: id, workflowId: id, canPause: false }, server).join('\n');
    console.log(`${id}\n${hints}`);
    if (!options.wait) return;
    const { verdict, uri } = await untilInterrupted(followSweep(handle, console.log, watchServer(server)), () =>
      console.log(`${id} continues without this terminal.\n${hints}`),
    );
    const folder = homeFolders(defaultHome()).comparison(input.name);
    console.log(['', ...verdict, '', `Report  ${uri}`, `        ${folder}`].join('\n'));
  });
}
