import { defaultPayloadConverter, type WorkflowHandle } from '@temporalio/client';
import { statusQueryName } from '../../configs/names.ts';
import { PreparationProgress, Progress, RunStatus } from '../../configs/schema/index.ts';
import { formatStatusChange } from '../terminal/format-status-change.ts';
import { createPreparationFormatter } from '../terminal/format-preparation.ts';
import type { RunWorkflow } from './start-run.ts';
import { waitForResult } from './wait-for-result.ts';

/**
 * Says each change of a run until it has ended, and outlives a server that is away for a while.
 * @param show gets each look at the whole, and null at the end.
 * @returns the workflow's result.
 */
export async function followRun(
  handle: WorkflowHandle<RunWorkflow>,
  say: (line: string) => void,
  show: (sight: RunSnapshot | null) => void = () => undefined,
) {
  let before: RunStatus | undefined;
  const describeObtaining = createPreparationFormatter();
  const look = async () => {
    const seen = await queryRun(handle);
    if (seen === undefined) return;
    for (const line of formatStatusChange(before, seen.status)) say(line);
    for (const line of describeObtaining(seen.preparation)) say(line);
    show(seen);
    before = seen.status;
  };
  try {
    return await waitForResult(handle, look);
  } finally {
    show(null);
  }
}

/** The workflow's own status, with the newer numbers that the pending activity's heartbeat carries. Undefined while nobody answers. */
export async function queryRunStatus(handle: WorkflowHandle<RunWorkflow>): Promise<RunStatus | undefined> {
  return (await queryRun(handle))?.status;
}

export interface RunSnapshot {
  status: RunStatus;
  preparation: PreparationProgress[];
}

/** Undefined while nobody answers. */
export async function queryRun(handle: WorkflowHandle): Promise<RunSnapshot | undefined> {
  try {
    const status = RunStatus.parse(await handle.query(statusQueryName));
    const { raw } = await handle.describe();
    const beats = (raw.pendingActivities ?? []).flatMap(({ heartbeatDetails }) => heartbeatDetails?.payloads ?? []);
    const details = beats.map((payload): unknown => defaultPayloadConverter.fromPayload(payload));
    const live = details.map((one) => Progress.safeParse(one).data).find((progress) => progress !== undefined);
    const obtaining = details.flatMap((one) => PreparationProgress.array().safeParse(one).data ?? []);
    return { status: { ...status, progress: newer(status.progress, live ?? null) }, preparation: obtaining };
  } catch {
    return undefined; // no server or no control worker for the moment: the next poll asks again
  }
}

/** A heartbeat may be younger than the last signal, or older. */
function newer(told: Progress | null, live: Progress | null): Progress | null {
  if (told === null || live === null) return told ?? live;
  const ahead = live.attempt - told.attempt || live.iteration - told.iteration;
  return ahead > 0 ? live : told;
}
