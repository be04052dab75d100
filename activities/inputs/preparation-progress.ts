import { Context, log } from '@temporalio/activity';
import type { PreparationProgress, RunPlan, StepOutcome } from '../../configs/schema/index.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import type { PreparationCall } from './preparation-context.ts';

/** Beats with what is being fetched and made, of several files at once the newest word of each, and logs whether it had to be. */
export async function withPreparationProgress<T extends { outcome: StepOutcome }>(
  { runId, input: { fresh } }: RunPlan,
  work: (call: PreparationCall) => Promise<T>,
): Promise<T> {
  const { cancellationSignal: signal } = Context.current();
  const newest = new Map<string, PreparationProgress>();
  const onProgress: PreparationCall['onProgress'] = (progress) => newest.set(progress.what, progress);
  const obtained = await withHeartbeat(
    () => [...newest.values()],
    () => work({ onProgress, signal, fresh }),
  );
  log.info(`${runId}: ${obtained.outcome.step} ${obtained.outcome.why}`);
  return obtained;
}
