import { Context } from '@temporalio/activity';
import { ReportRef } from '../configs/schema.ts';
import { whileBeating } from './heartbeat.ts';

/** The result of a workflow that somebody else started. Tried again when this worker dies: waiting costs nothing. */
export const waitForRun = (workflowId: string): Promise<ReportRef> =>
  whileBeating(
    () => `waiting for ${workflowId}`,
    async () => {
      const { client, cancellationSignal } = Context.current();
      const cancelled = new Promise<never>((_resolve, reject) => {
        cancellationSignal.addEventListener('abort', () => reject(cancellationSignal.reason as Error));
      });
      return ReportRef.parse(await Promise.race([client.workflow.getHandle(workflowId).result(), cancelled]));
    },
  );
