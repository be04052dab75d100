/** `npm run status -- [RUN] [--json]`: how a run stands; without a name, the newest runs. */
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import { namespace, workflowId } from '../configs/names.ts';
import { connect } from './connect.ts';
import { explain } from './explain.ts';
import { lookAt } from './follow-run.ts';
import { lookAtSweep, renderSweepStatus } from './follow-sweep.ts';
import { listRuns } from './list-runs.ts';
import { defaultHome } from './stack/arguments.ts';
import { findRunningStack } from './stack/stack-file.ts';
import { renderStatus } from './status-lines.ts';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { address: { type: 'string' }, json: { type: 'boolean', default: false } },
  });
  const [name] = positionals;
  const stack = await findRunningStack(defaultHome);
  const client = await connect(values.address ?? stack?.address ?? '127.0.0.1:7233').catch(() => undefined);
  if (client === undefined) return refuse('There is no Temporal server to talk to. Type `npm run up` first.');
  try {
    const lines = name === undefined ? await listRuns(client, values.json) : await showRun(client, name, values.json);
    if (lines === undefined)
      return refuse(`There is no run ${name ?? ''}, or no worker answers for it. npm run status lists the runs.`);
    console.log(lines.join('\n'));
    if (name !== undefined && !values.json && stack !== undefined)
      console.log(
        `  ${'UI'.padEnd(11)}${stack.uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(idOf(name))}`,
      );
  } finally {
    await client.connection.close();
  }
}

/** A name, or a whole workflow id, such as `evaluate:swin-s-released` or `compare:demo`. */
const idOf = (name: string): string => (name.includes(':') ? name : workflowId(name));

async function showRun(client: Client, name: string, json: boolean): Promise<string[] | undefined> {
  const handle = client.workflow.getHandle(idOf(name));
  const seen = await lookAt(handle);
  if (seen === undefined) {
    const sweep = await lookAtSweep(handle);
    if (sweep === undefined) return undefined;
    return json ? [JSON.stringify(sweep, null, 2)] : renderSweepStatus(sweep);
  }
  return json ? [JSON.stringify(seen, null, 2)] : renderStatus(seen.status, seen.obtaining);
}

function refuse(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

await main().catch((error: unknown) => {
  refuse(explain(error));
});
