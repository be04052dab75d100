import { Context } from '@temporalio/activity';
import { runFolder } from '../configs/paths.ts';
import { EvalMetrics, type FetchedDataset, type RunPlan, type TrainerEvent } from '../configs/schema.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { followJob } from './follow-job.ts';
import { whileBeating } from './heartbeat.ts';
import { bestCheckpoint } from './lib/checkpoints.ts';
import { CodedError } from './lib/coded-error.ts';
import { describeCrash } from './lib/describe-crash.ts';
import { takeFence } from './lib/fence.ts';
import { readJson } from './lib/json-file.ts';
import { logTail } from './lib/log-tail.ts';
import { ProgressReader, readProgress } from './lib/progress-reader.ts';
import { findLiveJob, startJob } from './lib/trainer-process.ts';

export interface TestRequest {
  plan: RunPlan;
  dataset: FetchedDataset;
}

/**
 * MMDetection's own test loop on the best checkpoint. Tried again by Temporal: a test that is running is adopted, and the
 * trainer does not repeat inference whose detections are on disk.
 */
export const createRunTest =
  (dependencies: ActivityDependencies) =>
  (request: TestRequest): Promise<EvalMetrics> => {
    let images = { done: 0, total: 0 };
    return whileBeating(
      () => images,
      () => testBest(dependencies, request, (tested) => (images = tested)),
    );
  };

async function testBest(
  { home, recipesFolder, python, programs, device }: ActivityDependencies,
  { plan, dataset }: TestRequest,
  onTested: (images: { done: number; total: number }) => void,
): Promise<EvalMetrics> {
  const folder = runFolder(home, plan.runId);
  const best = await bestCheckpoint(folder.train, plan.planHash, await readProgress(folder.train.progress));
  if (best === undefined) {
    throw new CodedError('TrainerNoProgress', `There is no whole checkpoint in ${folder.train.checkpoints} to test.`);
  }
  const done = await readJson(folder.metrics, EvalMetrics);
  if (done?.checkpointSha256 === best.manifest.sha256) return done;

  const job = folder.test;
  const fence = await takeFence(job);
  const files = {
    plan: folder.plan,
    recipe: `${recipesFolder}/${plan.recipe.name}.py`,
    data: dataset.root,
    checkpoint: best.path,
  };
  const { stallSeconds } = plan.recovery;
  const startTest = () => startJob(job, python, programs.test(plan, files, job, device), fence, stallSeconds);
  const running = (await findLiveJob(job)) ?? (await startTest());
  const onEvents = (events: TrainerEvent[]) => {
    for (const event of events) if (event.type === 'tested') onTested({ done: event.done, total: event.total });
  };
  const progress = new ProgressReader(job.progress);
  const ending = await followJob({ job, running, fence, progress, onEvents });
  Context.current().cancellationSignal.throwIfAborted(); // there are no metrics to return
  const metrics = await readJson(folder.metrics, EvalMetrics);
  if ('exit' in ending && ending.exit.reason === 'finished' && metrics?.checkpointSha256 === best.manifest.sha256) {
    return metrics;
  }
  const how = 'exit' in ending ? describeCrash(ending.exit) : 'Its supervisor was killed.';
  const tail = (await logTail(job, 20)).join('\n');
  throw new CodedError(
    'TrainerCommandFailed',
    `The test of ${best.manifest.file} ended without metrics. ${how} Log: ${job.log}\n${tail}`,
  );
}
