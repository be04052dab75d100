/** Tests multi-host attempts on a real server with stubbed activities on a queue per host. */
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { RunStatus, type Check } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { trainUntilStopped, withHostWorkers } from '../../helpers/host-workers.ts';
import { inputForHosts } from '../../helpers/two-hosts.ts';
import { anAttempt, type StubbedActivities } from '../../helpers/stub-activities.ts';
import { freshInput } from '../../helpers/workflow-env.ts';

type Stubs = Partial<StubbedActivities>;

test('trainDetector checks every host, and only the leader tests and reports', async () => {
  const joined: unknown[] = [];
  const joinTraining: Stubs['joinTraining'] = (request) => {
    joined.push([request.host, request.attempt]);
    return Promise.resolve({ outcome: 'finished', cause: null });
  };
  const executed = await withHostWorkers({ 'gpu-a': {}, 'gpu-b': { joinTraining } }, async (client) => {
    const { handle } = await startRun(client, inputForHosts());
    await handle.result();
    const { checks } = RunStatus.parse(await handle.query('status'));
    expect(checks.map(({ name }) => name)).toEqual(['gpu-a: shared folder', 'gpu-b: shared folder']);
  });
  expect(joined).toEqual([['gpu-b', 1]]);
  expect(executed['gpu-a']).toEqual([
    'checkMachine',
    'checkSharedStorage',
    'checkSharedStorage',
    'runTraining',
    'runTest',
    'exportDetector',
  ]);
  expect(executed['gpu-b']).toEqual(['checkMachine', 'checkSharedStorage', 'checkSharedStorage', 'joinTraining']);
});

test('trainDetector uses only the named host when there is one', async () => {
  const executed = await withHostWorkers({ 'gpu-b': {} }, async (client) => {
    await (await startRun(client, { ...freshInput(), hosts: ['gpu-b'] })).handle.result();
  });
  expect(executed['gpu-b']).toEqual(['checkMachine', 'runTraining', 'runTest', 'exportDetector']);
});

test('runMultiHostAttempt reports a crash when a host loses its supervisor', async () => {
  const runTraining: Stubs['runTraining'] = (request) =>
    request.attempt === 1 ? trainUntilStopped(request) : Promise.resolve(anAttempt({ attempt: request.attempt }));
  const joinTraining: Stubs['joinTraining'] = ({ attempt }) =>
    Promise.resolve(attempt === 1 ? { outcome: 'lost', cause: 'Killed.' } : { outcome: 'finished', cause: null });
  await withHostWorkers({ 'gpu-a': { runTraining }, 'gpu-b': { joinTraining } }, async (client) => {
    const { handle } = await startRun(client, inputForHosts());
    await handle.result();
    const { attempts } = RunStatus.parse(await handle.query('status'));
    expect(attempts.map(({ outcome, cause }) => [outcome, cause])).toEqual([
      ['crashed', 'gpu-b: Killed.'],
      ['finished', null],
    ]);
  });
});

test('runMultiHostAttempt fails the run with the reason when a host can never join', async () => {
  const joinTraining: Stubs['joinTraining'] = () =>
    Promise.reject(ApplicationFailure.nonRetryable('Not enough GPUs on this machine.', 'TrainingFailed'));
  await withHostWorkers({ 'gpu-a': { runTraining: trainUntilStopped }, 'gpu-b': { joinTraining } }, async (client) => {
    const { handle } = await startRun(client, inputForHosts());
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'TrainingFailed', message: 'Not enough GPUs on this machine.' },
    });
  });
});

test('runMultiHostAttempt stops the other hosts when the leader fails the run', async () => {
  const stopped: boolean[] = [];
  const joinTraining: Stubs['joinTraining'] = async (request) => {
    await trainUntilStopped(request);
    stopped.push(true);
    return { outcome: 'preempted', cause: null };
  };
  const runTraining: Stubs['runTraining'] = () =>
    Promise.reject(ApplicationFailure.nonRetryable('seed changed from 7 to 8', 'PlanChanged'));
  await withHostWorkers({ 'gpu-a': { runTraining }, 'gpu-b': { joinTraining } }, async (client) => {
    const { handle } = await startRun(client, inputForHosts());
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'PlanChanged' } });
  });
  expect(stopped).toEqual([true]);
});

test('trainDetector does not start hosts without a shared folder, even when forced', async () => {
  const failed: Check = {
    name: 'shared folder',
    verdict: 'error',
    message: '/home does not show gpu-a',
    remedy: 'Share it.',
  };
  const checkSharedStorage: Stubs['checkSharedStorage'] = ({ expected }) =>
    Promise.resolve(expected.length === 0 ? { ...failed, verdict: 'ok' } : failed);
  const executed = await withHostWorkers({ 'gpu-a': {}, 'gpu-b': { checkSharedStorage } }, async (client) => {
    const { handle } = await startRun(client, { ...inputForHosts(), force: true });
    await expect(handle.result()).rejects.toMatchObject({
      cause: {
        type: 'PlanStopped',
        message: 'The dry run found 1 error:\n- gpu-b: shared folder: /home does not show gpu-a. Share it.',
      },
    });
  });
  expect(executed['gpu-a']).not.toContain('runTraining');
});
