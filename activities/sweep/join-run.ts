import { isDeepStrictEqual } from 'node:util';
import { Context } from '@temporalio/activity';
import { workflowId } from '../../configs/names.ts';
import { listDifferences } from '../../configs/input-differences.ts';
import { parseRunInput } from '../../configs/parse-input.ts';
import { ReportRef, type RunInput } from '../../configs/schema/index.ts';
import { readStartedInput } from '../shared/temporal/started-input.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { waitForResult } from '../shared/temporal/wait-for-result.ts';

/**
 * Waits for a run that was started earlier and returns its result, or null if it was canceled.
 * @throws CodedError PlanChanged if it was started with another input, or the failure of the run.
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

/** Cancels the run if this sweep started it. Other runs continue. */
async function cancelOwn(name: string): Promise<void> {
  const { client, info } = Context.current();
  const handle = client.workflow.getHandle(workflowId(name));
  const { parentExecution } = await handle.describe();
  if (parentExecution?.workflowId === info.workflowExecution?.workflowId) await handle.cancel();
}

/** Protects against two sweeps with equal variant names, which must not share results. */
async function requireSameInput(input: RunInput): Promise<void> {
  const { client } = Context.current();
  const parsed = parseRunInput(await readStartedInput(client, workflowId(input.name)));
  const [existing, wanted] = [parsed.ok ? omitSchedulingFields(parsed.input) : {}, omitSchedulingFields(input)];
  if (isDeepStrictEqual(existing, wanted)) return;
  const differences = parsed.ok ? `: ${listDifferences(existing, wanted).join(', ')}` : '';
  throw new CodedError(
    'PlanChanged',
    `Run ${input.name} already exists with a different input${differences}. Rename the sweep or the variant.`,
  );
}

/** Removes fields that affect only when and how steps run. */
const omitSchedulingFields = (input: RunInput): Partial<RunInput> => ({
  ...input,
  fresh: false,
  force: false,
  priority: undefined,
  notify: undefined,
});
