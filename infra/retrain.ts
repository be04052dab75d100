/** `npm run retrain -- FILE [--why TEXT]`: has a model looked at, and trained if something has changed; follows it. */
import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { connect } from './connect.ts';
import { explain } from './explain.ts';
import { followRetraining } from './follow-retrain.ts';
import { defaultHome } from './stack/arguments.ts';
import { findRunningStack } from './stack/stack-file.ts';
import { readRetrainFile, triggerRetraining } from './start-retrain.ts';

const usage = 'Usage: npm run retrain -- configs/retrain/demo.json [--why TEXT] [--who NAME] [--address HOST:PORT]';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      address: { type: 'string' },
      who: { type: 'string', default: userInfo().username },
      why: { type: 'string', default: 'asked for by hand' },
    },
  });
  const [path] = positionals;
  if (path === undefined) return refuse(usage);
  const input = await readRetrainFile(path);
  const stack = await findRunningStack(defaultHome);
  const client = await connect(values.address ?? stack?.address ?? '127.0.0.1:7233').catch(() => undefined);
  if (client === undefined)
    return refuse('There is no Temporal server to talk to. Type `npm run up` in another terminal first.');
  try {
    const handle = await triggerRetraining(client, input, values);
    console.log(handle.workflowId);
    const { champion } = await followRetraining(handle, console.log);
    console.log(`champion of ${input.model}: ${champion ?? 'none'}`);
  } finally {
    await client.connection.close();
  }
}

function refuse(message: string): void {
  console.error(message);
  process.exitCode = 1;
}

await main().catch((error: unknown) => {
  refuse(explain(error));
});
