/** `npm run retrain -- FILE [--why TEXT] [--no-wait]`: checks whether a model needs retraining, and retrains it if so. */
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { readRetrainInput } from '../../configs/parse-input.ts';
import { followRetraining } from '../client/follow-retrain.ts';
import { withClient } from '../client/with-client.ts';
import { fail, runProgram } from '../terminal/program.ts';
import { triggerRetraining } from '../client/trigger-retraining.ts';

const usage = `Usage: npm run retrain -- configs/retrain/demo.json [--why TEXT] [--who NAME] [--no-wait] [--address HOST:PORT]
  --no-wait  print the workflow id and exit without following the run`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      address: { type: 'string' },
      who: { type: 'string', default: userInfo().username },
      why: { type: 'string', default: 'requested with npm run retrain' },
      'no-wait': { type: 'boolean', default: false },
    },
  });
  const [path] = positionals;
  if (path === undefined) return fail(usage);
  const input = await readRetrainInput(path, readFile(path, 'utf8'));
  if (typeof input === 'string') return fail(input);
  await withClient(values.address, async (client) => {
    const handle = await triggerRetraining(client, input, values);
    console.log(handle.workflowId);
    if (values['no-wait']) return;
    const { champion } = await followRetraining(handle, console.log);
    console.log(`champion of ${input.model}: ${champion ?? 'none'}`);
  });
}

await runProgram(main);
