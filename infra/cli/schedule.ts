/** `npm run schedule -- apply FILE | show | pause | resume | remove MODEL`: manages the retraining schedule of a model. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Client } from '@temporalio/client';
import { retrainId } from '../../configs/names.ts';
import { readRetrainInput } from '../../configs/parse-input.ts';
import { ModelName } from '../../configs/schema/index.ts';
import { withClient } from '../client/with-client.ts';
import { fail, runProgram } from '../terminal/program.ts';
import { applySchedule, formatSchedule, type ScheduleTiming } from '../client/retrain-schedule.ts';

const usage = `Usage: npm run schedule -- COMMAND [--address HOST:PORT]
  apply FILE [--every 24h | --cron '0 3 * * 1'] [--time-zone Europe/Berlin]
                         create or change the schedule of the model that FILE describes; without
                         --every and --cron it only starts on \`trigger\` or through the hook
  show MODEL             show the next and the most recent retrainings
  pause MODEL [--why TEXT] | resume MODEL | trigger MODEL | remove MODEL`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      address: { type: 'string' },
      every: { type: 'string' },
      cron: { type: 'string' },
      'time-zone': { type: 'string', default: 'UTC' },
      why: { type: 'string', default: 'npm run schedule' },
    },
  });
  const [command, target] = positionals;
  if (command === undefined || target === undefined) return fail(usage);
  await withClient(values.address, async (client) => {
    if (command === 'apply') {
      const timing: ScheduleTiming = { every: values.every, cron: values.cron, timeZone: values['time-zone'] };
      if (timing.every !== undefined && timing.cron !== undefined) return fail(usage);
      const input = await readRetrainInput(target, readFile(target, 'utf8'));
      if (typeof input === 'string') return fail(input);
      console.log(`${await applySchedule(client, input, timing)}: ${retrainId(input.model)}`);
      return await show(client, input.model);
    }
    await act(client, command, ModelName.parse(target), values.why);
  });
}

async function act(client: Client, command: string, model: string, why: string): Promise<void> {
  const handle = client.schedule.getHandle(retrainId(model));
  switch (command) {
    case 'show':
      break;
    case 'pause':
      await handle.pause(why);
      break;
    case 'resume':
      await handle.unpause(why);
      break;
    case 'trigger':
      await handle.trigger();
      break;
    case 'remove':
      await handle.delete();
      console.log(`removed: ${retrainId(model)}`);
      return;
    default:
      return fail(usage);
  }
  await show(client, model);
}

const show = async (client: Client, model: string): Promise<void> =>
  console.log((await formatSchedule(client, model)).join('\n'));

await runProgram(main);
