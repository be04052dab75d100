import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { RunStatus, type RunInput } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { trainUntilStopped, withHostWorkers } from '../../helpers/host-workers.ts';
import { inputForHosts } from '../../helpers/two-hosts.ts';
import { until } from '../../helpers/until.ts';
import {
  aFailure,
  anAttempt,
  aReport,
  happyActivities,
  type StubbedActivities,
} from '../../helpers/stub-activities.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

/** Creates an activity that returns an invalid result. */
const returning =
  (result: unknown): (() => Promise<never>) =>
  () =>
    Promise.resolve(result as never); // the point of these tests

const unexpected = (activity: string) => ({
  type: 'UnexpectedResult',
  nonRetryable: true,
  message: expect.stringContaining(`Activity ${activity} returned`) as string,
});

async function causeOf(client: Client, input: RunInput): Promise<unknown> {
  const { handle } = await startRun(client, input);
  const error: unknown = await handle.result().catch((failure: unknown) => failure);
  return error instanceof Error ? error.cause : error;
}

test.each([
  'resolvePlan',
  'checkPlan',
  'checkMachine',
  'fetchDataset',
  'fetchWeights',
  'pinPlan',
  'runTraining',
  'runTest',
  'writeReport',
] as const)('a result {} of %s fails the run and names the activity', async (name) => {
  await withWorkers({ [name]: returning({}) }, async (client) => {
    expect(await causeOf(client, freshInput())).toMatchObject(unexpected(name));
  });
});

test('an unexpected result names each invalid field and stops the jobs of the run', async () => {
  const stopped: string[] = [];
  const stubs: Partial<StubbedActivities> = {
    runTraining: returning({ ...anAttempt({}), epoch: 'three', outcome: 'won' }),
    stopJobs: ({ runId }) => {
      stopped.push(runId);
      return Promise.resolve();
    },
  };
  const input = freshInput();
  await withWorkers(stubs, async (client) => {
    const cause = await causeOf(client, input);
    for (const field of ['epoch: ', 'outcome: '])
      expect(cause).toMatchObject({ message: expect.stringContaining(`- ${field}`) as string });
  });
  expect(stopped).toEqual([input.name]);
});

test('a training that a client completes by command fails the run and is stopped', async () => {
  let isStopped = false;
  const stubs: Partial<StubbedActivities> = {
    runTraining: async () => {
      const { cancellationSignal } = Context.current();
      while (!isStopped && !cancellationSignal.aborted) {
        Context.current().heartbeat();
        await sleep(100);
      }
      return anAttempt({ outcome: 'preempted' });
    },
    stopJobs: () => {
      isStopped = true;
      return Promise.resolve();
    },
  };
  await withWorkers(stubs, async (client) => {
    const { handle } = await startRun(client, freshInput());
    const { workflowId } = handle;
    const activityId = await until(() => findPending(handle));
    await client.activity.complete({ workflowId, activityId }, {});
    await expect(handle.result()).rejects.toMatchObject({ cause: unexpected('runTraining') });
  });
  expect(isStopped).toBe(true);
});

async function findPending(handle: WorkflowHandle): Promise<string | undefined> {
  const { raw } = await handle.describe();
  const running = raw.pendingActivities?.find(
    ({ activityType, lastHeartbeatTime }) => activityType?.name === 'runTraining' && lastHeartbeatTime != null,
  );
  return running?.activityId ?? undefined;
}

test('an unexpected result of one host ends the training of all hosts', async () => {
  const executed = await withHostWorkers(
    { 'gpu-a': { runTraining: trainUntilStopped }, 'gpu-b': { joinTraining: returning({}) } },
    async (client) => {
      expect(await causeOf(client, inputForHosts())).toMatchObject(unexpected('joinTraining'));
    },
  );
  expect([executed['gpu-a']?.at(-1), executed['gpu-b']?.at(-1)]).toEqual(['stopJobs', 'stopJobs']);
});

test('an unexpected result of the shared storage check fails the run', async () => {
  const stubs = { 'gpu-a': {}, 'gpu-b': { checkSharedStorage: returning({}) } };
  await withHostWorkers(stubs, async (client) => {
    expect(await causeOf(client, inputForHosts())).toMatchObject(unexpected('checkSharedStorage'));
  });
});

test('an unexpected result while the run waits for disk space fails the run', async () => {
  const stubs: Partial<StubbedActivities> = {
    runTraining: ({ attempt }) =>
      Promise.resolve(anAttempt({ attempt, outcome: 'crashed', failure: aFailure('wait-for-space') })),
    waitForSpace: returning({}),
  };
  await withWorkers(stubs, async (client) => {
    expect(await causeOf(client, freshInput())).toMatchObject(unexpected('waitForSpace'));
  });
});

test('a failure reaction that this version does not know stops the run', async () => {
  const stubs: Partial<StubbedActivities> = {
    runTraining: ({ attempt }) =>
      Promise.resolve(anAttempt({ attempt, outcome: 'crashed', failure: { ...aFailure('retry'), reaction: 'xyz' } })),
  };
  await withWorkers(stubs, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await expect(handle.result()).rejects.toMatchObject({
      cause: { type: 'UnexpectedResult', message: expect.stringContaining('"xyz"') as string },
    });
    const { attempts, decisions } = RunStatus.parse(await handle.query('status'));
    expect(attempts).toHaveLength(1);
    expect(decisions.map(({ next }) => next)).toEqual(['stop']);
  });
});

test('checkedActivities discards the result of an activity that returns nothing', async () => {
  await withWorkers({ notify: returning({ ok: true }) }, async (client) => {
    const { handle } = await startRun(client, { ...freshInput(), notify: [{ to: 'webhook', ref: 'OPS' }] });
    expect(await handle.result()).toEqual(aReport);
  });
});

test('a run outlasts workers that lack its key, in every kind of activity', async () => {
  const kinds = ['resolvePlan', 'checkMachine', 'fetchDataset', 'runTraining', 'runTest', 'writeReport'] as const;
  const tries = new Map<string, number>();
  const failOnce = (name: (typeof kinds)[number]) => {
    const run = happyActivities[name] as (...args: unknown[]) => Promise<never>; // keeps its arguments
    return (...args: unknown[]): Promise<never> => {
      tries.set(name, (tries.get(name) ?? 0) + 1);
      // Not retryable stands for the end of all retries, which would take minutes.
      if (tries.get(name) === 1) throw ApplicationFailure.nonRetryable('no key', 'PayloadUnreadable');
      return run(...args);
    };
  };
  await withWorkers(Object.fromEntries(kinds.map((name) => [name, failOnce(name)])), async (client) => {
    const { handle } = await startRun(client, freshInput());
    expect(await handle.result()).toMatchObject({ bbox: { AP: 0.5 } });
    expect(Object.fromEntries(tries)).toEqual(Object.fromEntries(kinds.map((name) => [name, 2])));
  });
});
