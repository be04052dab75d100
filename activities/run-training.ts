import { Context, log } from '@temporalio/activity';
import { progressSignalName } from '../configs/names.ts';
import { runFolder } from '../configs/paths.ts';
import type { Attempt, FetchedDataset, FetchedWeights, Progress, RunPlan, TrainerEvent } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { followJob } from './follow-job.ts';
import { whileBeating } from './heartbeat.ts';
import { newestCheckpoint } from './lib/checkpoints.ts';
import { describeAttempt } from './lib/describe-attempt.ts';
import { takeFence } from './lib/fence.ts';
import { ProgressReader } from './lib/progress-reader.ts';
import { applyEvent, initialState, isMilestone, type RunState } from './lib/run-state.ts';
import { findLiveJob, startJob } from './lib/trainer-process.ts';
import { writeFileWhole } from './lib/whole-file.ts';

export interface TrainingRequest {
  plan: RunPlan;
  dataset: FetchedDataset;
  weights: FetchedWeights;
  /** Counted by the workflow over the whole run. */
  attempt: number;
}

/**
 * One training attempt, from adopting or starting the trainer to its ending. The ending is a result, not an error:
 * the workflow decides what follows. Running it twice is safe, since the fence lets only the newer attempt go on.
 */
export const createRunTraining =
  (dependencies: ActivityDependencies) =>
  (request: TrainingRequest): Promise<Attempt> => {
    let state: RunState | undefined;
    const onState = (newest: RunState) => (state = newest);
    // From the first line on: before a trainer starts, a checkpoint of more than a gigabyte is hashed.
    return whileBeating(
      () => state?.progress ?? 'starting',
      () => runAttempt(dependencies, request, onState),
    );
  };

async function runAttempt(
  { home, recipesFolder, python, programs, device }: ActivityDependencies,
  { plan, dataset, weights, attempt }: TrainingRequest,
  onState: (state: RunState) => void,
): Promise<Attempt> {
  const folder = runFolder(home, plan.runId);
  const job = folder.train;
  const fence = await takeFence(job);
  const resume = await newestCheckpoint(job, plan.planHash);
  const files = {
    plan: folder.plan,
    recipe: `${recipesFolder}/${plan.recipe.name}.py`,
    data: dataset.root,
    weights: weights.path,
    resume: resume?.path,
  };
  const startTrainer = async () => {
    await writeFileWhole(folder.plan, JSON.stringify(plan, null, 2));
    return startJob(job, python, programs.train(plan, files, job, device), attempt, fence);
  };

  const startedAt = Date.now() / 1000;
  const running = (await findLiveJob(job)) ?? (await startTrainer());
  let state = initialState(attempt, plan.epochs);
  const onEvents = (events: TrainerEvent[]) => {
    state = events.reduce(applyEvent, state);
    onState(state);
    if (events.some((event) => event.attempt === running.owner.attempt && isMilestone(event))) {
      void tellWorkflow(state.progress);
    }
  };
  const progress = new ProgressReader(job.progress);
  const ending = await followJob({ job, running, fence, progress, onEvents });
  return describeAttempt({ job, attempt, fence, running, state, ending, startedAt });
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
