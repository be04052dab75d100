import { Context } from '@temporalio/activity';
import { runFolder } from '../../configs/paths.ts';
import { acquireRunFence } from '../shared/temporal/workflow-run.ts';
import { findLiveJob } from '../shared/trainer/trainer-process.ts';
import type { TrainDependencies } from '../train/dependencies.ts';
import { followJob } from '../train/follow-job.ts';
import { startTestJob, type TestRequest } from './start-test-job.ts';
import { explainFailedStart, explainFailedTest } from './failed-test.ts';
import { readTestMetrics } from './test-metrics.ts';
import type { TestTarget } from './test-target.ts';

export interface TestListeners {
  onTested: (images: { done: number; total: number }) => void;
  /** Receives what the test waits for; null when it has its GPUs. */
  onGpuWait: (text: string | null) => void;
}

/** Adopts or starts the test job and follows it until it ends. @returns its metrics. @throws its failure with a TestFailure. */
export async function runTestJob(
  dependencies: TrainDependencies,
  request: TestRequest,
  target: TestTarget,
  { onTested, onGpuWait }: TestListeners,
) {
  const folder = runFolder(dependencies.home, request.plan.runId);
  const job = folder.test;
  // Temporal retries the test, so it counts the attempts. The workflow repeats it as another activity with a higher id.
  const { activityId, attempt } = Context.current().info;
  const fence = await acquireRunFence(job, { activity: Number(activityId), attempt });
  const launch = { folder, fence, weights: target.path, onGpuWait };
  const start = () =>
    startTestJob(dependencies, request, launch).catch((error: unknown) => {
      throw explainFailedStart(error);
    });
  const running = (await findLiveJob(job)) ?? (await start());
  let images = 0;
  const follow = () =>
    followJob({
      job,
      running,
      fence,
      progressFile: job.progress,
      drains: dependencies.drains,
      onEvents: (events) => {
        for (const event of events) {
          if (event.type !== 'tested') continue;
          images = event.done;
          onTested({ done: images, total: event.total });
        }
      },
    });
  const outcome = await dependencies.gpus.withGpusHeld(follow);
  Context.current().cancellationSignal.throwIfAborted(); // a stopped test has no metrics
  const metrics = await readTestMetrics(folder, target, outcome);
  if (metrics !== undefined) return { ...metrics, code: running.owner.code };
  throw await explainFailedTest({ folder, target, python: dependencies.python, running, outcome, images });
}
