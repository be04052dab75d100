/** `npm run status -- [RUN] [--json]`: shows a run; without a name, lists the newest runs. */
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import { namespace, workflowId } from '../../configs/names.ts';
import { queryRun } from '../client/follow-run.ts';
import { queryRetraining, formatRetrainStatus } from '../client/follow-retrain.ts';
import { querySweep, formatSweepStatus } from '../client/follow-sweep.ts';
import { listRuns } from '../client/list-runs.ts';
import { withClient } from '../client/with-client.ts';
import { fail, runProgram } from '../terminal/program.ts';
import { formatRunStatus } from '../terminal/format-run-status.ts';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { address: { type: 'string' }, json: { type: 'boolean', default: false } },
  });
  const [name] = positionals;
  await withClient(values.address, async (client, stack) => {
    const lines = name === undefined ? await listRuns(client, values.json) : await formatRun(client, name, values.json);
    if (lines === undefined)
      return fail(
        `Run ${name ?? ''} does not exist, or no control worker is running. List the runs with npm run status.`,
      );
    console.log(lines.join('\n'));
    if (name !== undefined && !values.json && stack !== undefined)
      console.log(
        `  ${'UI'.padEnd(11)}${stack.uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(idOf(name))}`,
      );
  });
}

/** Accepts the name of a run, or a complete workflow id such as `evaluate:swin-s-released`, `compare:demo` or `retrain:shapes`. */
const idOf = (name: string): string => (name.includes(':') ? name : workflowId(name));

async function formatRun(client: Client, name: string, json: boolean): Promise<string[] | undefined> {
  const handle = client.workflow.getHandle(idOf(name));
  const run = await queryRun(handle);
  if (run !== undefined) return json ? [toJson(run)] : formatRunStatus(run.status, run.preparation);
  const sweep = await querySweep(handle);
  if (sweep !== undefined) return json ? [toJson(sweep)] : formatSweepStatus(sweep);
  const retraining = await queryRetraining(handle);
  if (retraining === undefined) return undefined;
  return json ? [toJson(retraining)] : formatRetrainStatus(retraining);
}

const toJson = (status: object): string => JSON.stringify(status, null, 2);

await runProgram(main);
