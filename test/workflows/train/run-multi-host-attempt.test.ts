/** What the workflow does about several hosts: a real server, stubbed activities on a queue for each host. */
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { RunStatus, type Check } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { trainUntilStopped, withHostWorkers } from '../../helpers/host-workers.ts';
import { inputForHosts } from '../../helpers/two-hosts.ts';
import { anAttempt, freshInput, type StubbedActivities } from '../../helpers/workflow-env.ts';

type Stubs = Partial<StubbedActivities>;

test('every host is looked at and joins; test and report are the leader’s', async () => {
  const joined: unknown[] = [];
  const joinTraining: Stubs['joinTraining'] = (request) => {
    joined.push([request.host, request.attempt]);
    return Promise.resolve({ outcome: 'finished', cause: null });
  };
  const asked = await withHostWorkers({ 'gpu-a': {}, 'gpu-b': { joinTraining } }, async (client) => {
    const { handle } = await startRun(client, inputForHosts());
    await handle.result();
    const { checks } = RunStatus.parse(await handle.query('status'));
    expect(checks.map(({ name: about }) => about)).toEqual(['gpu-a: shared folder', 'gpu-b: shared folder']);
  });
  expect(joined).toEqual([['gpu-b', 1]]);
  expect(asked['gpu-a']).toEqual([
    'checkMachine',
    'checkSharedStorage',
    'checkSharedStorage',
    'runTraining',
    'runTest',
  ]);
  expect(asked['gpu-b']).toEqual(['checkMachine', 'checkSharedStorage', 'checkSharedStorage', 'joinTraining']);
});

test('a run with one host waits for that one, and needs nobody else', async () => {
  const asked = await withHostWorkers({ 'gpu-b': {} }, async (client) => {
    await (await startRun(client, { ...freshInput(), hosts: ['gpu-b'] })).handle.result();
  });
  expect(asked['gpu-b']).toEqual(['checkMachine', 'runTraining', 'runTest']);
});

test('a part of which nothing is left ends the attempt as a crash, and all start again', async () => {
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

test('a host that can never take part ends the run, with the reason', async () => {
  const joinTraining: Stubs['joinTraining'] = () =>
    Promise.reject(ApplicationFailure.nonRetryable('Not enough GPUs on this machine.', 'TrainingFailed'));
  await withHostWorkers({ 'gpu-a': { runTraining: trainUntilStopped }, 'gpu-b': { joinTraining } }, async (client) => {
    const { handle } = await startRun(client, inputForHosts());
    await expect(handle.result()).rejects.toMatchObject({
      cause: { cause: { type: 'TrainingFailed', message: 'Not enough GPUs on this machine.' } },
    });
  });
});

test('a leader that fails for good takes the others along', async () => {
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
    await expect(handle.result()).rejects.toMatchObject({ cause: { cause: { type: 'PlanChanged' } } });
  });
  expect(stopped).toEqual([true]);
});

test('hosts without a folder in common do not start, not even by force', async () => {
  const blind: Check = {
    name: 'shared folder',
    verdict: 'error',
    message: '/home does not show gpu-a',
    remedy: 'Share it.',
  };
  const checkSharedStorage: Stubs['checkSharedStorage'] = ({ expected }) =>
    Promise.resolve(expected.length === 0 ? { ...blind, verdict: 'ok' } : blind);
  const asked = await withHostWorkers({ 'gpu-a': {}, 'gpu-b': { checkSharedStorage } }, async (client) => {
    const { handle } = await startRun(client, { ...inputForHosts(), force: true });
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'PlanStopped', message: '- gpu-b: shared folder: /home does not show gpu-a. Share it.' },
    });
  });
  expect(asked['gpu-a']).not.toContain('runTraining');
});
