import { access } from 'node:fs/promises';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { isAlive } from '../../../activities/shared/trainer/process-identity.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import type { TestResult } from '../../../configs/schema/index.ts';
import {
  createMiniRun,
  miniDataset,
  miniControl,
  miniPlan,
  miniWeights,
  type MiniRun,
} from '../../helpers/mini-run.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';
import { until } from '../../helpers/until.ts';

let run: MiniRun;
beforeEach(async () => {
  run = await createMiniRun();
  const { runTraining } = createGpuActivities(run.dependencies);
  const inputs = { plan: miniPlan, dataset: miniDataset, weights: miniWeights, control: miniControl };
  await mockEnvironment().run(runTraining, { ...inputs, attempt: 1, rollback: null, since: 0 });
});
afterEach(() => run.remove());

const runTestOnce = (environment = mockEnvironment()): Promise<TestResult> => {
  const { runTest } = createGpuActivities(run.dependencies);
  return environment.run(runTest, { plan: miniPlan, dataset: miniDataset });
};

test('runTest tests the best checkpoint once and reuses the result', async () => {
  const metrics = await runTestOnce();
  expect(metrics.outcome).toEqual({ step: 'test', hit: false, why: 'not cached, building' });
  expect(metrics.checkpoint).toMatch(/^e00\d-i0000\d0\.pth$/);
  run.dependencies.programs.test = () => ['-c', 'raise SystemExit(1)'];
  const again = await runTestOnce();
  expect(again).toEqual({ ...metrics, outcome: again.outcome });
  expect(again.outcome).toMatchObject({ hit: true });
});

test('runTest refuses to test an older checkpoint than the last one', async () => {
  const { runTest } = createGpuActivities(run.dependencies);
  const testAfter = (trained: number) => mockEnvironment().run(runTest, { plan: miniPlan, trained });
  await expect(testAfter(31)).rejects.toMatchObject({ type: 'CheckpointsLost' });
  await expect(testAfter(30)).resolves.toMatchObject({ outcome: { hit: false } });
});

test('a canceled test leaves no process and throws CancelledFailure', async () => {
  const { test: testProgram } = run.dependencies.programs;
  run.dependencies.programs.test = (...args) => [...testProgram(...args), '--seconds', '20'];
  const environment = mockEnvironment();
  const outcome = runTestOnce(environment).catch((error: unknown) => error);
  const { owner } = await until(() => findLiveJob(run.folder.test));
  environment.cancel('CANCELLED', new ActivityCancellationDetails({ cancelRequested: true }));
  expect(await outcome).toBeInstanceOf(CancelledFailure);
  expect(await isAlive(owner)).toBe(false);
  await expect(access(run.folder.test.watcher)).rejects.toThrow('ENOENT');
});

test('a failed test reports its exit code and the end of its log', async () => {
  run.dependencies.programs.test = () => ['-c', 'raise SystemExit("no GPU left")'];
  await expect(runTestOnce()).rejects.toThrow(/ended without metrics[^]*no GPU left/);
});
