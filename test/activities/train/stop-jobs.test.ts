import { writeFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { readJson } from '../../../activities/shared/files/json-file.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { TrainerExit, type TrainerOwner } from '../../../configs/schema/index.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';
import { createMiniRun, miniControl, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { until } from '../../helpers/until.ts';

let run: MiniRun | undefined;
afterEach(() => run?.remove());

async function startTraining() {
  run = await createMiniRun('--step-seconds', '1');
  const { dependencies, folder } = run;
  const { runTraining, stopJobs } = createGpuActivities(dependencies);
  const request = { plan: miniPlan, attempt: 1, control: miniControl, rollback: null, since: 0 };
  const attempt = mockEnvironment().run(runTraining, request);
  const { owner } = await until(() => findLiveJob(folder.train));
  const stop = () => mockEnvironment().run(stopJobs, { runId: miniPlan.runId });
  return { folder, owner, attempt, stop };
}

test('stopJobs lets the trainer save, and returns when it has ended', async () => {
  const { folder, attempt, stop } = await startTraining();
  await stop();
  expect(await findLiveJob(folder.train)).toBeUndefined();
  expect(await readJson(folder.train.exit, TrainerExit)).toMatchObject({ reason: 'preempted', stopRequested: true });
  expect(await attempt).toMatchObject({ outcome: 'preempted' });
});

test('stopJobs stops a trainer whose machine was renamed', async () => {
  const { folder, owner, attempt, stop } = await startTraining();
  const rewrite = (over: Partial<TrainerOwner>) =>
    writeFile(folder.train.owner, JSON.stringify({ ...owner, host: 'former-name', ...over }));
  await rewrite({ boot: 'another-machine' });
  expect(await findLiveJob(folder.train)).toBeUndefined();
  await rewrite({});
  await stop();
  expect(await attempt).toMatchObject({ outcome: 'preempted' });
});

test('stopJobs returns at once when the run has no job', async () => {
  run = await createMiniRun();
  const { stopJobs } = createGpuActivities(run.dependencies);
  await mockEnvironment().run(stopJobs, { runId: 'none' });
});
