import { Context, log } from '@temporalio/activity';
import type { ObtainProgress, RunPlan, StepOutcome } from '../../configs/schema/index.ts';
import { whileBeating } from '../shared/temporal/heartbeat.ts';
import type { ObtainCall } from './obtain-context.ts';

/** Beats with what is being fetched and made, of several files at once the newest word of each, and logs whether it had to be. */
export async function whileObtaining<T extends { outcome: StepOutcome }>(
  { runId, input: { fresh } }: RunPlan,
  work: (call: ObtainCall) => Promise<T>,
): Promise<T> {
  const { cancellationSignal: signal } = Context.current();
  const newest = new Map<string, ObtainProgress>();
  const onProgress: ObtainCall['onProgress'] = (progress) => newest.set(progress.what, progress);
  const obtained = await whileBeating(
    () => [...newest.values()],
    () => work({ onProgress, signal, fresh }),
  );
  log.info(`${runId}: ${obtained.outcome.step} ${obtained.outcome.why}`);
  return obtained;
}
