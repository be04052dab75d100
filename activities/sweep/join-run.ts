import { isDeepStrictEqual } from 'node:util';
import { defaultPayloadConverter } from '@temporalio/common';
import { Context } from '@temporalio/activity';
import { workflowId } from '../../configs/names.ts';
import { parseRunInput } from '../../configs/parse-input.ts';
import { ReportRef, type RunInput } from '../../configs/schema/index.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { waitForResult } from '../shared/temporal/wait-for-result.ts';

/**
 * The result of a run that was there before whoever asks: running or finished. Null where somebody cancelled it.
 * @throws CodedError PlanChanged when it was started with another input; otherwise what the run itself failed with.
 */
export const createJoinRun =
  () =>
  (input: RunInput): Promise<ReportRef | null> =>
    withHeartbeat(
      () => `waiting for ${workflowId(input.name)}`,
      async () => {
        await requireSameInput(input);
        return ReportRef.nullable().parse(await waitOrCancel(input.name));
      },
    );

async function waitOrCancel(name: string): Promise<unknown> {
  try {
    return await waitForResult(workflowId(name));
  } catch (error) {
    const { cancellationSignal, cancellationDetails } = Context.current();
    if (cancellationSignal.aborted && cancellationDetails?.cancelRequested === true) await cancelOwn(name);
    throw error;
  }
}

/** A run that this sweep started, the last time that it ran. Somebody else's goes on. */
async function cancelOwn(name: string): Promise<void> {
  const { client, info } = Context.current();
  const handle = client.workflow.getHandle(workflowId(name));
  const { parentExecution } = await handle.describe();
  if (parentExecution?.workflowId === info.workflowExecution?.workflowId) await handle.cancel();
}

/** Two sweeps may give their variants the same names: then one must not take the other's result for its own. */
async function requireSameInput(wanted: RunInput): Promise<void> {
  const { client } = Context.current();
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution: { workflowId: workflowId(wanted.name) },
    maximumPageSize: 1,
  });
  const [payload] = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  const parsed = payload && parseRunInput(defaultPayloadConverter.fromPayload(payload));
  if (parsed?.ok === true && isDeepStrictEqual(omitSchedulingFields(parsed.input), omitSchedulingFields(wanted)))
    return;
  throw new CodedError(
    'PlanChanged',
    `There is a run ${wanted.name} already, and it was not started as this variant would be. Give the sweep or the variant another name.`,
  );
}

/** Without what says only when and how the steps are done. */
const omitSchedulingFields = (input: RunInput): Partial<RunInput> => ({
  ...input,
  fresh: false,
  force: false,
  priority: undefined,
  notify: undefined,
});
