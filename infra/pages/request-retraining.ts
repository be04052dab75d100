import { isGrpcServiceError, ScheduleNotFoundError, type Client } from '@temporalio/client';
import { retrainId, workflowTypes } from '../../configs/names.ts';
import { retrainTrigger } from '../../activities/retrain/retrain-trigger.ts';
import { RetrainInput, type Trigger } from '../../configs/schema/index.ts';
import type { retrainDetector } from '../../workflows/index.ts';

/** Outcome of a request. */
export type RequestOutcome =
  | { readonly how: 'triggered'; readonly workflowId: string }
  /** The model has no schedule, which defines its training. */
  | { readonly how: 'no schedule' }
  | { readonly how: 'refused'; readonly reason: string }
  /** The Temporal server is unreachable or overloaded. */
  | { readonly how: 'away' };

export type RequestRetraining = (model: string, trigger: Pick<Trigger, 'who' | 'why'>) => Promise<RequestOutcome>;

const deadlineMs = 5_000;

/** DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED and UNAVAILABLE of gRPC. */
const transientCodes = new Set([4, 8, 14]);

/**
 * Creates a function that starts a model's retraining or signals the running one. The schedule, which the operator
 * applies, defines the training; a caller decides only when it happens.
 */
export const createRetrainRequester =
  (client: Client): RequestRetraining =>
  (model, trigger) =>
    client.connection
      .withDeadline(Date.now() + deadlineMs, () => requestRetraining(client, model, trigger))
      .catch((error: unknown): RequestOutcome => {
        if (error instanceof ScheduleNotFoundError) return { how: 'no schedule' };
        if (isTransient(error)) return { how: 'away' };
        throw error;
      });

async function requestRetraining(
  client: Client,
  model: string,
  trigger: Pick<Trigger, 'who' | 'why'>,
): Promise<RequestOutcome> {
  const { action, state } = await client.schedule.getHandle(retrainId(model)).describe();
  // A paused schedule also blocks triggers: an operator or a failed retraining paused it for a reason.
  if (state.paused)
    return {
      how: 'refused',
      reason: `The schedule of ${model} is paused (${state.note ?? ''}). Resume it: everswin schedule resume ${model}`,
    };
  const { data: input } = RetrainInput.safeParse(action.args?.[0]);
  if (input?.model !== model)
    return {
      how: 'refused',
      reason: `The schedule of ${model} does not retrain this model. Apply it again: everswin schedule apply FILE`,
    };
  const { workflowId } = await client.workflow.signalWithStart<typeof retrainDetector, [unknown]>(
    workflowTypes.retrainDetector,
    retrainTrigger(input, trigger, Date.now() / 1000),
  );
  return { how: 'triggered', workflowId };
}

/** Checks an error and its causes, because the client wraps gRPC errors. */
function isTransient(error: unknown): boolean {
  if (isGrpcServiceError(error)) return transientCodes.has(error.code);
  return error instanceof Error && error.cause !== undefined && isTransient(error.cause);
}
