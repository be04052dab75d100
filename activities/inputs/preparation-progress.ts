import { Context, log } from '@temporalio/activity';
import type { PreparationProgress, RunPlan, StepOutcome } from '../../configs/schema/index.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import type { PreparationCall } from './preparation-context.ts';

/** Runs preparation and sends the newest progress of each file as heartbeat; logs whether the result came from the cache. */
export async function withPreparationProgress<T extends { outcome: StepOutcome }>(
  { runId, input: { fresh } }: RunPlan,
  work: (call: PreparationCall) => Promise<T>,
): Promise<T> {
  const { cancellationSignal: signal } = Context.current();
  const newest = new Map<string, PreparationProgress>();
  const onProgress: PreparationCall['onProgress'] = (progress) => newest.set(progress.what, progress);
  const prepared = await withHeartbeat(
    () => [...newest.values()],
    () => work({ onProgress, signal, fresh }),
  );
  log.info(`${runId}: ${prepared.outcome.step} ${prepared.outcome.why}`);
  return prepared;
}
