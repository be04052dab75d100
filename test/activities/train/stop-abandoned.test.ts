import type { Context } from '@temporalio/activity';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { stopAbandonedJobs } from '../../../activities/train/stop-abandoned.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { readWatcher } from '../../../activities/shared/trainer/watcher-file.ts';
import { createMiniRun, miniControl, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';
import { until } from '../../helpers/until.ts';

let run: MiniRun;
beforeEach(() => vi.spyOn(console, 'log').mockImplementation(() => undefined));
afterEach(() => run.remove());

type WorkflowClient = Context['client']['workflow'];

/** Client of a server on which every workflow has this state. */
const clientWith = (describe: () => Promise<unknown>) =>
  ({ getHandle: () => ({ describe }) }) as unknown as WorkflowClient; // the sweep uses nothing else

const inState = (name: string) => clientWith(() => Promise.resolve({ status: { name } }));

test('a trainer is stopped when its workflow has ended, and in no other case', async () => {
  run = await createMiniRun('--step-seconds', '0.5');
  const { dependencies, folder } = run;
  const request = { plan: miniPlan, attempt: 1, control: miniControl, rollback: null, since: 0 };
  const attempt = mockEnvironment().run(createGpuActivities(dependencies).runTraining, request);
  await until(() => readWatcher(folder.train));
  await stopAbandonedJobs(dependencies.home, inState('RUNNING'));
  await stopAbandonedJobs(
    dependencies.home,
    clientWith(() => Promise.reject(new Error('unavailable, or a server that does not know the workflow'))),
  );
  expect(await findLiveJob(folder.train)).toBeDefined();
  await stopAbandonedJobs(dependencies.home, inState('TERMINATED'));
  expect(await attempt).toMatchObject({ outcome: 'preempted' });
  await stopAbandonedJobs(dependencies.home, inState('TERMINATED')); // nothing is left to stop
});
