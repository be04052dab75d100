import { Context, log } from '@temporalio/activity';
import { progressSignalName } from '../../configs/names.ts';
import { runFolder } from '../../configs/paths.ts';
import type { Attempt, Progress, RemoteCopy, TrainerEvent } from '../../configs/schema/index.ts';
import type { TrainDependencies } from './dependencies.ts';
import { followJob } from './follow-job.ts';
import { withControlUpdates } from './follow-control.ts';
import { withHeartbeat } from '../shared/temporal/heartbeat.ts';
import { summarizeAttempt, summarizeFailedStart } from './failures/summarize-attempt.ts';
import { findPrimaryFailure } from './failures/primary-failure.ts';
import { assertFence, raiseFence, acquireFence } from '../shared/run/fence.ts';
import { leaderJob } from '../shared/trainer/host-topology.ts';
import { ProgressReader, readProgress } from '../shared/run/progress-reader.ts';
import { applyEvent, initialState, isMilestone, type RunState } from '../shared/run/run-state.ts';
import { LiveFile } from '../pages/runs/live-file.ts';
import { TrainingTime } from '../shared/run/training-time.ts';
import { restoreFromStore, withMirror } from '../mirror/mirror.ts';
import { createGpuWaitReporter } from './gpu-wait-reporter.ts';
import { isTransient } from './launch-on-host.ts';
import { adoptOrStartTrainer, type StartedTrainer, type TrainerStart } from './start-trainer.ts';

export interface TrainingRequest extends TrainerStart {
  /** When training began, over all attempts of this run of the workflow; Unix seconds. */
  since: number;
}

/**
 * One training attempt, from adopting or starting the trainer to its ending. The ending is a result, not an error:
 * the workflow decides what follows. Running it twice is safe, since the fence lets only the newer attempt go on.
 */
export const createRunTraining =
  (dependencies: TrainDependencies) =>
  (request: TrainingRequest): Promise<Attempt> => {
    let state: RunState | undefined;
    let remote: RemoteCopy | null = null;
    let waiting: string | null = null;
    const onState = (newest: RunState) => (state = newest);
    // From the first line on: before a trainer starts, a checkpoint of more than a gigabyte is hashed.
    return withHeartbeat(
      () => (state === undefined ? (waiting ?? 'starting') : { ...state.progress, remote }),
      () =>
        runAttempt(dependencies, request, {
          onState,
          onRemote: (copy) => (remote = copy),
          onWaiting: (text) => (waiting = text),
        }),
    );
  };

interface Listeners {
  onState: (state: RunState) => void;
  onRemote: (copy: RemoteCopy) => void;
  /** For whom it waits, before it has its GPUs. */
  onWaiting: (text: string | null) => void;
}

async function runAttempt(
  dependencies: TrainDependencies,
  request: TrainingRequest,
  { onState, onRemote, onWaiting }: Listeners,
): Promise<Attempt> {
  const { home, python } = dependencies;
  const { plan, attempt, control: orders, since } = request;
  const folder = runFolder(home, plan.runId);
  const job = folder.train;
  let startedAt = Date.now() / 1000;
  const time = new TrainingTime(since);
  const started = await tryStart(dependencies, request, (text) => {
    // Time in the queue is no part of the attempt.
    startedAt = Date.now() / 1000;
    onWaiting(text);
  });
  if ('whyNot' in started) {
    for (const event of await readProgress(job.progress)) time.add(event);
    return summarizeFailedStart({ folder, plan, attempt, startedAt, time: time.total() }, started.whyNot);
  }

  const { fence, running, quarantined } = started;
  let state = initialState(attempt, orders.epochs, running.owner.attempt);
  const page = new LiveFile(
    home,
    plan.runId,
    () => assertFence(job, fence),
    (error) => void log.warn('could not write the page of the run', { error }),
  );
  const onEvents = (events: TrainerEvent[]) => {
    let worthTelling = false;
    for (const event of events) {
      worthTelling ||= isMilestone(state, event);
      state = applyEvent(state, event);
      time.add(event);
    }
    onState(state);
    if (events.some(({ type }) => pageEvents.has(type))) page.rewrite();
    if (worthTelling) void tellWorkflow(state.progress);
  };
  const onOrders = ({ epochs }: { epochs: number }) =>
    onState((state = { ...state, progress: { ...state.progress, epochs } }));
  const progress = new ProgressReader(job.progress);
  const own = leaderJob(folder, plan);
  const follow = () => followJob({ job: own, running, fence, progress, onEvents });
  const ending = await dependencies.gpus
    .withGpusHeld(() =>
      withMirror({ dependencies, plan, fence, running, onRemote }, () =>
        withControlUpdates(job, fence, onOrders, follow),
      ),
    )
    // Later on the report will be there.
    .finally(() => page.settled());
  const part = await findPrimaryFailure(folder, plan, { job: own, owner: running.owner, outcome: ending });
  const { adopted } = running;
  const watched = { folder, plan, python, attempt, fence, adopted, part, quarantined, state, startedAt };
  return summarizeAttempt({ ...watched, time: time.total() });
}

/** After these the page of the run is written anew. */
const pageEvents = new Set<TrainerEvent['type']>(['started', 'validation', 'ended']);

/** A full disk, or a supervisor that is killed as it starts, is an ending like others: the workflow decides what follows. */
async function tryStart(
  dependencies: TrainDependencies,
  request: TrainingRequest,
  onWaiting: (text: string | null) => void,
): Promise<(StartedTrainer & { fence: number }) | { whyNot: Error }> {
  try {
    await restoreFromStore(dependencies, request.plan, request.rollback);
    const folder = runFolder(dependencies.home, request.plan.runId);
    const fence = await acquireFence(folder.train);
    await raiseFence(leaderJob(folder, request.plan), fence);
    const waiting = createGpuWaitReporter(onWaiting);
    return { fence, ...(await adoptOrStartTrainer(dependencies, request, fence, waiting)) };
  } catch (error) {
    if (isTransient(error)) return { whyNot: error };
    throw error;
  }
}

/** Best effort: a signal that is lost while the server is down is made good by the next one, and by the result. */
async function tellWorkflow(progress: Progress): Promise<void> {
  try {
    const { client, info } = Context.current();
    const { workflowId, runId } = info.workflowExecution ?? {};
    if (workflowId !== undefined)
      await client.workflow.getHandle(workflowId, runId).signal(progressSignalName, progress);
  } catch (error) {
    log.warn('could not tell the workflow how the training goes', { error });
  }
}
