/** What the workflow does about several hosts: a real server, stubbed activities on a queue for each host. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { hostQueue } from '../../../configs/names.ts';
import { RunStatus, type Attempt, type Check } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { inputForHosts, planFor } from '../../helpers/two-hosts.ts';
import {
  anAttempt,
  freshInput,
  happyActivities,
  withControlWorker,
  type StubbedActivities,
} from '../../helpers/workflow-env.ts';

type Stubs = Partial<StubbedActivities>;

/** Nobody works on the shared queue. @returns by host, the names of the activities that it was asked for. */
async function withHosts(
  stubs: Record<string, Stubs>,
  body: (client: Client) => Promise<void>,
): Promise<Record<string, string[]>> {
  const asked: Record<string, string[]> = {};
  const recording = (host: string, activities: StubbedActivities) =>
    Object.fromEntries(
      Object.entries(activities).map(([name, run]) => [
        name,
        (...args: never[]): unknown => {
          (asked[host] ??= []).push(name);
          return (run as (...args: never[]) => unknown)(...args); // each is called with what it was made for
        },
      ]),
    );
  const resolvePlan: StubbedActivities['resolvePlan'] = (input) => Promise.resolve(planFor(input));
  await withControlWorker({ resolvePlan }, async (client, connection) => {
    const workers = await Promise.all(
      Object.entries(stubs).map(([host, activities]) =>
        Worker.create({
          connection,
          taskQueue: hostQueue(host),
          maxHeartbeatThrottleInterval: '200ms',
          activities: recording(host, { ...happyActivities, ...activities }),
        }),
      ),
    );
    const running = workers.map((worker) => worker.run());
    try {
      await body(client);
    } finally {
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
    }
  });
  return asked;
}

/** As a trainer does that is told to stop. */
async function trainUntilStopped({ attempt }: { attempt: number }): Promise<Attempt> {
  const { cancellationSignal } = Context.current();
  while (!cancellationSignal.aborted) {
    Context.current().heartbeat();
    await sleep(50);
  }
  return anAttempt({ attempt, outcome: 'preempted' });
}

test('every host is looked at and joins; test and report are the leader’s', async () => {
  const joined: unknown[] = [];
  const joinTraining: Stubs['joinTraining'] = (request) => {
    joined.push([request.host, request.attempt]);
    return Promise.resolve({ outcome: 'finished', cause: null });
  };
  const asked = await withHosts({ 'gpu-a': {}, 'gpu-b': { joinTraining } }, async (client) => {
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
  const asked = await withHosts({ 'gpu-b': {} }, async (client) => {
    await (await startRun(client, { ...freshInput(), hosts: ['gpu-b'] })).handle.result();
  });
  expect(asked['gpu-b']).toEqual(['checkMachine', 'runTraining', 'runTest']);
});

test('a part of which nothing is left ends the attempt as a crash, and all start again', async () => {
  const runTraining: Stubs['runTraining'] = (request) =>
    request.attempt === 1 ? trainUntilStopped(request) : Promise.resolve(anAttempt({ attempt: request.attempt }));
  const joinTraining: Stubs['joinTraining'] = ({ attempt }) =>
    Promise.resolve(attempt === 1 ? { outcome: 'lost', cause: 'Killed.' } : { outcome: 'finished', cause: null });
  await withHosts({ 'gpu-a': { runTraining }, 'gpu-b': { joinTraining } }, async (client) => {
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
  await withHosts({ 'gpu-a': { runTraining: trainUntilStopped }, 'gpu-b': { joinTraining } }, async (client) => {
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
  await withHosts({ 'gpu-a': { runTraining }, 'gpu-b': { joinTraining } }, async (client) => {
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
  const asked = await withHosts({ 'gpu-a': {}, 'gpu-b': { checkSharedStorage } }, async (client) => {
    const { handle } = await startRun(client, { ...inputForHosts(), force: true });
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'PlanStopped', message: '- gpu-b: shared folder: /home does not show gpu-a. Share it.' },
    });
  });
  expect(asked['gpu-a']).not.toContain('runTraining');
});
