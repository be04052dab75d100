import { ScheduleNotFoundError, type Client } from '@temporalio/client';
import { retrainId } from '../../configs/names.ts';
import { ModelName } from '../../configs/schema/index.ts';
import { applySchedule, formatSchedule } from '../client/retrain-schedule.ts';
import { withClient } from '../client/with-client.ts';
import { UsageError } from '../terminal/program.ts';
import { readRetrainInput } from './read-input.ts';

interface ApplyOptions {
  address?: string | undefined;
  every?: string | undefined;
  cron?: string | undefined;
  timeZone: string;
}

/** Creates or changes the retraining schedule of the model that a file describes. */
export async function apply(file: string, { address, every, cron, timeZone }: ApplyOptions): Promise<void> {
  if (every !== undefined && cron !== undefined) throw new UsageError('Expected --every or --cron, got both.');
  const input = await readRetrainInput(file);
  await withClient(address, async (client) => {
    console.log(`${await applySchedule(client, input, { every, cron, timeZone })}: ${retrainId(input.model)}`);
    await show(client, input.model);
  });
}

type ScheduleAction = 'show' | 'pause' | 'resume' | 'trigger' | 'remove';

/** Performs an action on the schedule of a model, then shows it. */
export async function act(
  action: ScheduleAction,
  name: string,
  { address, why }: { address?: string | undefined; why?: string },
): Promise<void> {
  const model = ModelName.safeParse(name);
  if (!model.success) throw new UsageError(`Expected the name of a model, got "${name}".`);
  await withClient(address, async (client, { namespace }) => {
    try {
      await actOn(client, model.data, action, why);
    } catch (cause) {
      if (!(cause instanceof ScheduleNotFoundError)) throw cause;
      const missing = `The model ${model.data} has no schedule in the namespace ${namespace}.`;
      throw new Error(`${missing} Create one: everswin schedule apply FILE`, { cause });
    }
  });
}

async function actOn(client: Client, model: string, action: ScheduleAction, why?: string): Promise<void> {
  const handle = client.schedule.getHandle(retrainId(model));
  if (action === 'pause') await handle.pause(why);
  if (action === 'resume') await handle.unpause(why);
  if (action === 'trigger') await handle.trigger();
  if (action === 'remove') {
    await handle.delete();
    return console.log(`removed: ${retrainId(model)}`);
  }
  await show(client, model);
}

const show = async (client: Client, model: string): Promise<void> =>
  console.log((await formatSchedule(client, model)).join('\n'));
