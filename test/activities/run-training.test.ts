import { readFile, readdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import type { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, expect, test } from 'vitest';
import { createGpuActivities } from '../../activities/index.ts';
import { isAlive } from '../../activities/lib/live-process.ts';
import { readProgress } from '../../activities/lib/progress-reader.ts';
import { findLiveJob } from '../../activities/lib/trainer-process.ts';
import type { Attempt } from '../../configs/schema.ts';
import { mockEnvironment } from '../helpers/mock-environment.ts';
import { createMiniRun, miniDataset, miniPlan, miniWeights, type MiniRun } from '../helpers/mini-run.ts';

let run: MiniRun | undefined;
afterEach(() => run?.remove());

const start = (
  mini: MiniRun,
  attempt: number,
  environment: MockActivityEnvironment = mockEnvironment(),
): Promise<Attempt> => {
  const { runTraining } = createGpuActivities(mini.dependencies);
  return environment.run(runTraining, { plan: miniPlan, dataset: miniDataset, weights: miniWeights, attempt });
};

const liveTrainer = async (mini: MiniRun) => {
  for (;;) {
    const running = await findLiveJob(mini.folder.train);
    const stepped = (await readProgress(mini.folder.train.progress)).some(({ type }) => type === 'step');
    if (running !== undefined && stepped) return running.owner;
    await sleep(20);
  }
};

const finalWeights = async ({ folder }: MiniRun): Promise<string> => {
  const [newest] = (await readdir(folder.train.checkpoints))
    .filter((name) => name.endsWith('.pth'))
    .sort()
    .reverse();
  return readFile(`${folder.train.checkpoints}/${newest ?? ''}`, 'utf8');
};

test('a training that is left alone finishes with all its steps in one attempt', async () => {
  run = await createMiniRun();
  const attempt = await start(run, 1);
  expect(attempt).toMatchObject({
    ending: 'finished',
    adopted: false,
    resumedFrom: null,
    fromIteration: 0,
    toIteration: 30,
  });
});

test('a trainer killed in the middle is a crash with its signal, and the next attempt resumes to the same weights', async () => {
  run = await createMiniRun('--kill-at-step', '15', '--fault-attempt', '1');
  const crashed = await start(run, 1);
  expect(crashed).toMatchObject({ ending: 'crashed', toIteration: 14, checkpointIteration: 10 });
  expect(crashed.cause).toContain('SIGKILL');
  const resumed = await start(run, 2);
  expect(resumed).toMatchObject({
    ending: 'finished',
    resumedFrom: 'e001-i000010.pth',
    fromIteration: 10,
    toIteration: 30,
  });

  const uninterrupted = await createMiniRun();
  await start(uninterrupted, 1);
  const weights = await finalWeights(uninterrupted);
  await uninterrupted.remove();
  expect(await finalWeights(run)).toBe(weights);
});

test('a crash carries the cause and the end of the log', async () => {
  run = await createMiniRun('--fail-at-step', '3', '--fail-message', 'the disk is on fire');
  const { ending, cause, logTail } = await start(run, 1);
  expect(ending).toBe('crashed');
  expect(cause).toContain('the disk is on fire');
  expect(logTail.length).toBeGreaterThan(0);
});

test('a damaged newest checkpoint is passed over for the one before', async () => {
  run = await createMiniRun('--kill-at-step', '25', '--fault-attempt', '1');
  await start(run, 1);
  await writeFile(`${run.folder.train.checkpoints}/e002-i000020.pth`, 'torn');
  expect(await start(run, 2)).toMatchObject({ ending: 'finished', resumedFrom: 'e001-i000010.pth' });
});

test('checkpoints of another plan are refused by name instead of being trained on', async () => {
  run = await createMiniRun();
  await start(run, 1);
  const { runTraining } = createGpuActivities(run.dependencies);
  const changed = {
    plan: { ...miniPlan, planHash: 'f'.repeat(64) },
    dataset: miniDataset,
    weights: miniWeights,
    attempt: 2,
  };
  await expect(mockEnvironment().run(runTraining, changed)).rejects.toMatchObject({
    type: 'PlanChanged',
    nonRetryable: true,
  });
});

test('a second attempt adopts the trainer that runs, and the first finds itself superseded', async () => {
  run = await createMiniRun('--step-seconds', '0.1');
  const first = start(run, 1);
  const outcome = first.catch((error: unknown) => error);
  const owner = await liveTrainer(run);
  const second = await start(run, 2);
  expect(await outcome).toMatchObject({ type: 'StaleAttempt' });
  expect(second).toMatchObject({ ending: 'finished', adopted: true, toIteration: 30 });
  const pids = (await readProgress(run.folder.train.progress)).filter(({ type }) => type === 'started');
  expect(pids).toHaveLength(1);
  expect(await isAlive(owner)).toBe(false);
});

test('a cancelled attempt lets the trainer save, leaves no process and counts as cancelled', async () => {
  run = await createMiniRun('--step-seconds', '0.1');
  const environment = mockEnvironment();
  const outcome = start(run, 1, environment).catch((error: unknown) => error);
  const owner = await liveTrainer(run);
  environment.cancel('CANCELLED', new ActivityCancellationDetails({ cancelRequested: true }));
  expect(await outcome).toBeInstanceOf(CancelledFailure);
  expect(await isAlive(owner)).toBe(false);
  const events = await readProgress(run.folder.train.progress);
  expect(events.at(-1)).toMatchObject({ type: 'ended', reason: 'preempted' });
});

test('the heartbeat carries where the training stands', async () => {
  run = await createMiniRun('--step-seconds', '0.1');
  const environment = mockEnvironment();
  const beats: unknown[] = [];
  environment.on('heartbeat', (details: unknown) => beats.push(details));
  await start(run, 1, environment);
  expect(beats.at(-1)).toMatchObject({ v: 1, attempt: 1, epochs: 3 });
  expect(beats.length).toBeGreaterThan(1);
});

test('without the Python environment the message says how to get it', async () => {
  run = await createMiniRun();
  run.dependencies.python.executable = '/nowhere/python';
  await expect(start(run, 1)).rejects.toThrow(/Could not start \/nowhere\/python.*\nNext: .*npm run up/);
});
