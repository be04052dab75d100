import { Context } from '@temporalio/activity';
import { whileBeating } from './heartbeat.ts';

/**
 * Until a workflow that somebody else started has ended. Tried again when this worker dies: waiting costs nothing.
 * @throws its failure.
 */
export const waitForRun = (workflowId: string): Promise<void> =>
  whileBeating(
    () => `waiting for ${workflowId}`,
    async () => {
      const { client, cancellationSignal } = Context.current();
      const cancelled = new Promise<never>((_resolve, reject) => {
        cancellationSignal.addEventListener('abort', () => reject(cancellationSignal.reason as Error));
      });
      await Promise.race([client.workflow.getHandle(workflowId).result(), cancelled]);
    },
  );
