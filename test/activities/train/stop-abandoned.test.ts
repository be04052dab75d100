import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Context } from '@temporalio/activity';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { stopAbandonedJobs } from '../../../activities/train/stop-abandoned.ts';
import { localStore } from '../../../activities/shared/store/local-store.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { readWatcher } from '../../../activities/shared/trainer/watcher-file.ts';
import { mirrorKeys, type RunPointer } from '../../../configs/schema/run-pointer.ts';
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

/** Starts an attempt and waits until its trainer is watched. */
async function startTraining() {
  run = await createMiniRun('--step-seconds', '0.5');
  const { dependencies, folder } = run;
  const request = { plan: miniPlan, attempt: 1, control: miniControl, rollback: null, since: 0 };
  const attempt = mockEnvironment().run(createGpuActivities(dependencies).runTraining, request);
  await until(() => readWatcher(folder.train));
  return { dependencies, folder, attempt };
}

test('a trainer is stopped when its workflow has ended, and in no other case', async () => {
  const { dependencies, folder, attempt } = await startTraining();
  await stopAbandonedJobs(dependencies, inState('RUNNING'));
  await stopAbandonedJobs(
    dependencies,
    clientWith(() => Promise.reject(new Error('unavailable, or a server that does not know the workflow'))),
  );
  expect(await findLiveJob(folder.train)).toBeDefined();
  await stopAbandonedJobs(dependencies, inState('TERMINATED'));
  expect(await attempt).toMatchObject({ outcome: 'preempted' });
  await stopAbandonedJobs(dependencies, inState('TERMINATED')); // nothing is left to stop
});

test('a trainer is stopped when another machine has continued its run', async () => {
  const { dependencies, folder, attempt } = await startTraining();
  const input = { ...miniPlan.input, artifacts: { store: 's3://bucket/runs' } };
  await writeFile(folder.plan, JSON.stringify({ ...miniPlan, input }));
  const store = localStore(`${dependencies.home}/s3`);
  const sweep = () => stopAbandonedJobs({ ...dependencies, openStore: () => store }, inState('RUNNING'));
  const claim = (host: string, fence: number, ifMatch: string | null) => {
    const pointer: RunPointer = { v: 1, fence, host, checkpoints: [], updatedAt: 0 };
    return store.replace(mirrorKeys(miniPlan.runId).pointer, JSON.stringify(pointer), { ifMatch });
  };
  await sweep();
  const ours = await claim(hostname(), 1, null);
  await sweep();
  const earlier = await claim('another-machine', 0, ours);
  await sweep();
  expect(existsSync(folder.train.stop)).toBe(false);
  await claim('another-machine', 2, earlier);
  await sweep();
  expect(await attempt).toMatchObject({ outcome: 'preempted' });
});
