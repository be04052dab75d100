import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { statusQueryName, workflowId } from '../../configs/names.ts';
import { RunStatus, type VariantNews } from '../../configs/schema/index.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';

/** Without a deadline a call waits indefinitely for a lost server. */
const queryTimeoutMs = 10_000;

interface WatchRequest {
  /** Runs with the last epoch whose validation is known. */
  runs: { runId: string; epoch: number }[];
}

/** Waits until a run has a new validation. Runs that do not answer are queried again. */
export const createWatchVariants =
  (pollMs: number) =>
  ({ runs }: WatchRequest): Promise<VariantNews[]> =>
    withHeartbeat(
      () => `watching ${runs.length} runs`,
      async () => {
        const { cancellationSignal: signal } = Context.current();
        let watched = runs;
        for (;;) {
          const observations = await Promise.all(watched.map((run) => queryRun(run)));
          const updates = observations.flatMap(({ found }) => (found.scores.length === 0 ? [] : [found]));
          if (updates.length > 0) return updates;
          watched = watched.filter((_, place) => observations[place]?.isOver !== true);
          signal.throwIfAborted();
          await sleep(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
        }
      },
    );

interface VariantObservation {
  found: VariantNews;
  isOver: boolean;
}

async function queryRun({ runId, epoch }: WatchRequest['runs'][number]): Promise<VariantObservation> {
  const { client, cancellationSignal: signal } = Context.current();
  const query = () => client.workflow.getHandle(workflowId(runId)).query(statusQueryName);
  try {
    // A stopping worker must not query: it would wait for its own answer.
    const queryWithDeadline = () => client.withDeadline(Date.now() + queryTimeoutMs, query);
    const status = RunStatus.parse(await client.withAbortSignal(signal, queryWithDeadline));
    const scores = (status.validations ?? []).filter((one) => one.epoch > epoch);
    const isOver = status.stage === 'done' || status.stage === 'failed' || status.stage === 'cancelled';
    return { found: { runId, scores: scores.map(({ epoch: at, bboxAP }) => ({ epoch: at, bboxAP })) }, isOver };
  } catch {
    return { found: { runId, scores: [] }, isOver: false }; // not started yet, or no worker is available
  }
}
