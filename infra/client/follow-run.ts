import type { WorkflowHandle } from '@temporalio/client';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/codec-helpers.js';
import { statusQueryName } from '../../configs/names.ts';
import { PreparationProgress, Progress, RunStatus } from '../../configs/schema/index.ts';
import { formatStatusChange } from '../terminal/format-status-change.ts';
import { createPreparationFormatter } from '../terminal/format-preparation.ts';
import { formatKeylessWorkers } from './keyless-workers.ts';
import { formatPausedActivities } from './paused-activities.ts';
import type { RunWorkflow } from './start-run.ts';
import { waitForResult } from './wait-for-result.ts';
import { stateOf } from './workflow-state.ts';
import type { WatchServer } from './watch-server.ts';

interface FollowOptions {
  /** Receives every snapshot, and null at the end. */
  update?: (snapshot: RunSnapshot | null) => void;
  watchServer?: WatchServer;
}

/**
 * Logs every change of a run until it ends. Keeps polling while the server is unavailable.
 * @returns the result of the workflow.
 */
export async function followRun(
  followed: WorkflowHandle<RunWorkflow>,
  log: (line: string) => void,
  { update = () => undefined, watchServer }: FollowOptions = {},
) {
  let before: RunStatus | undefined;
  const formatPreparations = createPreparationFormatter();
  const poll = async (handle: WorkflowHandle<RunWorkflow>) => {
    const snapshot = await queryRun(handle);
    if (snapshot === undefined) return false;
    for (const line of formatStatusChange(before, snapshot.status)) log(line);
    for (const line of formatPreparations(snapshot.preparation)) log(line);
    update(snapshot);
    before = snapshot.status;
    return true;
  };
  try {
    return await waitForResult(followed, { poll, log, watchServer });
  } finally {
    update(null);
  }
}

/** Returns the status of a run, with the progress from the heartbeat of a pending activity if that is newer. */
export async function queryRunStatus(handle: WorkflowHandle<RunWorkflow>): Promise<RunStatus | undefined> {
  return (await queryRun(handle))?.status;
}

interface RunSnapshot {
  status: RunStatus;
  /** Word for the state of the workflow, as in the list of runs. */
  state: string;
  preparation: PreparationProgress[];
}

/**
 * Returns the status of a run with what only the server knows: newer progress, and activities that a person paused.
 * Undefined while the server or the control worker is unavailable, and for any other workflow.
 */
export async function queryRun(handle: WorkflowHandle): Promise<RunSnapshot | undefined> {
  try {
    const status = RunStatus.parse(await handle.query(statusQueryName));
    const description = await handle.describe();
    const heartbeats = (description.raw.pendingActivities ?? []).flatMap(
      ({ heartbeatDetails }) => heartbeatDetails?.payloads ?? [],
    );
    const details = await decodeArrayFromPayloads(handle.client.options.loadedDataConverter, heartbeats);
    const live = details.map((one) => Progress.safeParse(one).data).find((progress) => progress !== undefined);
    const preparation = details.flatMap((one) => PreparationProgress.array().safeParse(one).data ?? []);
    const notice = status.notice ?? formatPausedActivities(description) ?? formatKeylessWorkers(description) ?? null;
    const now = { ...status, notice, progress: newer(status.progress, live ?? null) };
    return { status: now, state: stateOf(description), preparation };
  } catch {
    return undefined; // the next poll tries again
  }
}

/** Compares a heartbeat with the last signal: either can be newer. */
function newer(signaled: Progress | null, live: Progress | null): Progress | null {
  if (signaled === null || live === null) return signaled ?? live;
  const ahead = live.attempt - signaled.attempt || live.iteration - signaled.iteration;
  return ahead > 0 ? live : signaled;
}
