import { userInfo } from 'node:os';
import { retrainId } from '../../configs/names.ts';
import { parseRetrainInput } from '../../configs/parse-input.ts';
import { findChangedSettings, isRunning } from '../client/changed-settings.ts';
import { followRetraining } from '../client/follow-retrain.ts';
import { triggerRetraining } from '../client/trigger-retraining.ts';
import { watchServer } from '../client/watch-server.ts';
import { withClient } from '../client/with-client.ts';
import { formatRunHints } from '../client/run-hints.ts';
import { untilInterrupted } from '../terminal/wait-for-interrupt.ts';
import { readRetrainInput } from './read-input.ts';

interface RetrainOptions {
  address?: string | undefined;
  who?: string | undefined;
  why: string;
  wait: boolean;
}

/** Checks whether a model needs retraining, retrains it if so, and follows the training in the terminal. */
export async function retrain(file: string, { address, who, why, wait }: RetrainOptions): Promise<void> {
  const input = await readRetrainInput(file);
  await withClient(address, async (client, server) => {
    const running = retrainId(input.model);
    if (await isRunning(client, running)) {
      const changed = await findChangedSettings(client, running, parseRetrainInput, input);
      if (changed !== undefined)
        throw new Error(
          `${running} is already running with other settings: ${changed}. Run the command again when it has ended, or end it: everswin cancel ${running}. Status: everswin status ${running}`,
        );
    }
    const handle = await triggerRetraining(client, input, { who: who ?? userInfo().username, why });
    const id = handle.workflowId;
    const hints = formatRunHints({ name: id, workflowId: id, canPause: false }, server).join('\n');
    console.log(`${id}\n${hints}`);
    if (!wait) return;
    const { champion } = await untilInterrupted(followRetraining(handle, console.log, watchServer(server)), () =>
      console.log(`${id} continues without this terminal.\n${hints}`),
    );
    console.log(`champion of ${input.model}: ${champion ?? 'none'}`);
  });
}
