import { isGrpcServiceError, ScheduleNotFoundError, type Client } from '@temporalio/client';
import { retrainId, workflowTypes } from '../../configs/names.ts';
import { retrainTrigger } from '../../activities/retrain/retrain-trigger.ts';
import { RetrainInput, type Trigger } from '../../configs/schema/index.ts';
import type { retrainDetector } from '../../workflows/index.ts';

/** What became of a wish. */
export type RequestOutcome =
  | { readonly how: 'triggered'; readonly workflowId: string }
  /** Nobody said of what the model is to be trained. */
  | { readonly how: 'no schedule' }
  | { readonly how: 'refused'; readonly why: string }
  /** The server is not there, or has no time. */
  | { readonly how: 'away' };

export type RequestRetraining = (model: string, trigger: Pick<Trigger, 'who' | 'why'>) => Promise<RequestOutcome>;

const deadlineMs = 5_000;

/** DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED and UNAVAILABLE of gRPC. */
const transientCodes = new Set([4, 8, 14]);

/**
 * Starts the model's retraining, or tells the one that runs. Trained is what the operator applied as the model's
 * schedule: whoever asks decides when, and never what.
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
  // Whoever stopped it, a person or a failed retraining, stopped what comes by itself.
  if (state.paused)
    return {
      how: 'refused',
      why: `The schedule of ${model} is paused (${state.note ?? ''}): npm run schedule -- resume ${model}`,
    };
  const { data: input } = RetrainInput.safeParse(action.args?.[0]);
  if (input?.model !== model)
    return {
      how: 'refused',
      why: `The schedule of ${model} holds no input of its retraining: npm run schedule -- apply FILE`,
    };
  const { workflowId } = await client.workflow.signalWithStart<typeof retrainDetector, [unknown]>(
    workflowTypes.retrainDetector,
    retrainTrigger(input, trigger, Date.now() / 1000),
  );
  return { how: 'triggered', workflowId };
}

/** The client wraps what gRPC says. */
function isTransient(error: unknown): boolean {
  if (isGrpcServiceError(error)) return transientCodes.has(error.code);
  return error instanceof Error && error.cause !== undefined && isTransient(error.cause);
}
