/** A run without a usable checkpoint waits for a person. Activities are stubbed. */
import { cp, readdir, rm, truncate } from 'node:fs/promises';
import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, test } from 'vitest';
import type { Client } from '@temporalio/client';
import { createGpuActivities } from '../../../activities/index.ts';
import { compareId, retrainId, taskQueues, updateNames, workflowId, workflowTypes } from '../../../configs/names.ts';
import {
  RecoveryPolicy,
  RetrainStatus,
  RunStatus,
  SweepInput,
  SweepStatus,
  type Notification,
  type RunInput,
} from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { trainUntilStopped } from '../../helpers/host-workers.ts';
import { createMiniRun, miniInput, miniPlan } from '../../helpers/mini-run.ts';
import { omitRunName } from '../../helpers/omit-run-name.ts';
import { createRetrainStubs, freshRetrainInput } from '../../helpers/retrain-stubs.ts';
import { until } from '../../helpers/until.ts';
import { aDetector, aFailure, anAttempt, someMetrics, type StubbedActivities } from '../../helpers/stub-activities.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

type TrainingRequest = Parameters<StubbedActivities['runTraining']>[0];

const lost = (attempt: number) =>
  anAttempt({
    attempt,
    fence: attempt,
    outcome: 'crashed',
    checkpoints: [],
    checkpointIteration: null,
    failure: { ...aFailure('ask-to-start-over'), nextStep: 'Run `everswin start-over RUN`.' },
  });

/** Trains until iteration 20 and crashes; all checkpoints are then lost until `isUsable`. */
const trainingWith = (isUsable: (request: TrainingRequest) => boolean) => {
  const requests: TrainingRequest[] = [];
  const runTraining: StubbedActivities['runTraining'] = (request) => {
    requests.push(request);
    const { attempt } = request;
    if (attempt === 1)
      return Promise.resolve(
        anAttempt({ attempt, outcome: 'crashed', failure: aFailure('retry'), checkpoints: [20, 10] }),
      );
    return Promise.resolve(isUsable(request) ? anAttempt({ attempt }) : lost(attempt));
  };
  return { requests, runTraining };
};

async function startAndWait(client: Client, input: RunInput = freshInput()) {
  const { handle } = await startRun(client, input);
  const readStatus = async () => RunStatus.parse(await handle.query('status'));
  const untilAsked = (times: number) =>
    until(async () => {
      const status = await readStatus();
      const asked = status.decisions.filter(({ next }) => next === 'ask').length;
      return asked === times && status.notice !== null ? status : undefined;
    });
  return { handle, readStatus, untilAsked, name: input.name };
}

test('trainDetector asks, refuses other requests, and starts over when a person allows it', async () => {
  const sent: Notification[] = [];
  const { requests, runTraining } = trainingWith(({ rollback }) => rollback?.startOver === true);
  const notify: StubbedActivities['notify'] = ({ notification }) => Promise.resolve(void sent.push(notification));
  await withWorkers({ runTraining, notify }, async (client) => {
    const input: RunInput = { ...freshInput(), notify: [{ to: 'webhook', ref: 'OPS', on: ['stalled'] }] };
    const { handle, readStatus, untilAsked, name } = await startAndWait(client, input);
    const { notice } = await untilAsked(1);
    expect(notice).toContain(`everswin start-over ${name}`);
    expect(requests[1]?.savedIteration).toBe(20);
    await until(() => sent.find(({ text }) => text.includes(`everswin start-over ${name}`)));
    for (const [update, args] of [
      [updateNames.pause, []],
      [updateNames.checkpointNow, []],
      [updateNames.stopAfterEpoch, [2]],
      [updateNames.extendEpochs, [9]],
    ] as const)
      await expect(handle.executeUpdate(update, { args: [...args] as [unknown] })).rejects.toMatchObject({
        cause: { message: expect.stringContaining('no saved checkpoint is usable') as string },
      });
    await handle.executeUpdate(updateNames.startOver, { args: ['kim'] });
    await handle.result();
    const { decisions } = await readStatus();
    expect(decisions.find(({ next }) => next === 'ask')?.change).toContain('kim');
    expect(requests.at(-1)).toMatchObject({
      savedIteration: null,
      rollback: { toIteration: 0, fence: 2, startOver: true },
    });
  });
});

test('trainDetector looks for checkpoints again when a person resumes it', async () => {
  const { requests, runTraining } = trainingWith(({ attempt }) => attempt === 4);
  await withWorkers({ runTraining }, async (client) => {
    const { handle, untilAsked } = await startAndWait(client);
    await untilAsked(1);
    await handle.executeUpdate(updateNames.resume);
    await untilAsked(2);
    await handle.executeUpdate(updateNames.resume);
    await handle.result();
    expect(requests.map(({ savedIteration }) => savedIteration)).toEqual([null, 20, 20, 20]);
  });
});

test('a sweep and a retraining show that one of their runs asks', async () => {
  const { runTraining } = trainingWith(({ rollback }) => rollback?.startOver === true);
  const world = createRetrainStubs();
  await withWorkers({ ...world.activities, runTraining }, async (client) => {
    const input = freshRetrainInput();
    const retraining = await client.workflow.start(workflowTypes.retrainDetector, {
      taskQueue: taskQueues.control,
      workflowId: retrainId(input.model),
      args: [input],
    });
    const sweep = SweepInput.parse({
      version: 1,
      name: freshInput().name,
      base: { version: 1, ...omitRunName(miniInput) },
      variants: [{ name: 'a' }, { name: 'b', change: { seed: 8 } }],
    });
    const sweeping = await client.workflow.start(workflowTypes.compareRecipes, {
      taskQueue: taskQueues.control,
      workflowId: compareId(sweep.name),
      args: [sweep],
    });
    const retrainQuestion = async () => RetrainStatus.parse(await retraining.query('status')).question ?? undefined;
    const question = await until(retrainQuestion);
    const [, runId = ''] = /start-over (\S+)`/.exec(question) ?? [];
    expect(runId).toContain(input.model);
    await until(async () => {
      const { variants } = SweepStatus.parse(await sweeping.query('status'));
      return variants.every(({ question: asked, runId: run }) => asked?.includes(`start-over ${run}`)) || undefined;
    });
    await sweeping.cancel();
    await expect(sweeping.result()).rejects.toThrow();
    await client.workflow.getHandle(workflowId(runId)).executeUpdate(updateNames.startOver);
    await until(async () => ((await retrainQuestion()) === undefined ? true : undefined));
    await retraining.result();
  });
});

test('trainDetector can be cancelled while it asks', async () => {
  const { runTraining } = trainingWith(() => false);
  await withWorkers({ runTraining }, async (client) => {
    const { handle, untilAsked, readStatus } = await startAndWait(client);
    await untilAsked(1);
    await handle.cancel();
    await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    expect(await readStatus()).toMatchObject({ stage: 'cancelled', notice: null });
  });
});

test('trainDetector starts over three times without asking when the plan allows it', async () => {
  const recovery = RecoveryPolicy.parse({ startOver: true });
  const { requests, runTraining } = trainingWith(() => false);
  const resolvePlan: StubbedActivities['resolvePlan'] = ({ name }) =>
    Promise.resolve({ ...miniPlan, runId: name, recovery });
  await withWorkers({ runTraining, resolvePlan }, async (client) => {
    const { handle, untilAsked } = await startAndWait(client);
    const { decisions } = await untilAsked(1);
    expect(decisions.map(({ next }) => next)).toEqual(['retry', 'retry', 'retry', 'retry', 'ask']);
    expect(decisions[1]?.change).toContain('recovery.startOver');
    expect(requests.at(-1)?.rollback).toMatchObject({ fence: 4, startOver: true });
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
  });
});

test('trainDetector refuses to start over while it has checkpoints', async () => {
  await withWorkers({ runTraining: trainUntilStopped }, async (client) => {
    const { handle } = await startAndWait(client);
    await until(async () => (RunStatus.parse(await handle.query('status')).stage === 'training' ? true : undefined));
    await expect(handle.executeUpdate(updateNames.startOver)).rejects.toMatchObject({
      cause: { message: expect.stringContaining('does not ask whether to start over') as string },
    });
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
  });
});

describe('after training', () => {
  const lostAtTest = () =>
    Promise.reject(
      ApplicationFailure.nonRetryable('checkpoints contains no intact checkpoint to test.', 'CheckpointsLost'),
    );
  /** Trains, loses all checkpoints before the test, and finds them again once `isUsable`. */
  const losingWith = (isUsable: (request: TrainingRequest) => boolean, loses: 'runTest' | 'exportDetector') => {
    let losses = 0;
    const lose =
      <T>(result: T) =>
      () =>
        losses++ === 0 ? lostAtTest() : Promise.resolve(result);
    const runTraining: StubbedActivities['runTraining'] = (request) => {
      const { attempt } = request;
      return Promise.resolve(attempt === 1 || isUsable(request) ? anAttempt({ attempt }) : lost(attempt));
    };
    const test = loses === 'runTest' ? { runTest: lose(someMetrics) } : { exportDetector: lose(aDetector) };
    return { runTraining, ...test };
  };

  test.each(['runTest', 'exportDetector'] as const)('trainDetector asks when %s finds no checkpoint', async (loses) => {
    await withWorkers(
      losingWith(({ rollback }) => rollback?.startOver === true, loses),
      async (client) => {
        const { handle, untilAsked, readStatus, name } = await startAndWait(client);
        expect(await untilAsked(1)).toMatchObject({ stage: 'training' });
        expect((await readStatus()).notice).toContain(`everswin start-over ${name}`);
        await handle.executeUpdate(updateNames.startOver, { args: ['kim'] });
        await handle.result();
        const { decisions, steps, stage } = await readStatus();
        expect(decisions.map(({ next }) => next)).toEqual(['test', 'ask', 'test']);
        expect(steps.filter(({ step }) => step === 'training')).toHaveLength(1);
        expect(stage).toBe('done');
      },
    );
  });

  test('trainDetector looks again when a person resumes it, and can be cancelled while it asks', async () => {
    await withWorkers(
      losingWith(({ attempt }) => attempt === 3, 'runTest'),
      async (client) => {
        const { handle, untilAsked } = await startAndWait(client);
        await untilAsked(1);
        await handle.executeUpdate(updateNames.resume);
        await handle.result();
      },
    );
    await withWorkers(
      losingWith(() => false, 'runTest'),
      async (client) => {
        const { handle, untilAsked } = await startAndWait(client);
        await untilAsked(1);
        await handle.cancel();
        await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      },
    );
  });

  test('trainDetector fails when training finishes without steps and without a checkpoint to test', async () => {
    const runTraining: StubbedActivities['runTraining'] = ({ attempt }) =>
      Promise.resolve(anAttempt({ attempt, fromIteration: attempt === 1 ? 0 : 30 }));
    await withWorkers({ runTraining, runTest: lostAtTest }, async (client) => {
      const { handle, readStatus } = await startAndWait(client);
      await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'CheckpointsLost' } });
      expect((await readStatus()).attempts).toHaveLength(3);
    });
  });
});

test('a real run whose checkpoints were truncated resumes from one that a person copied back', async () => {
  const run = await createMiniRun('--kill-at-step', '25', '--fault-attempt', '1');
  const { checkpoints } = run.folder.train;
  const activities = createGpuActivities(run.dependencies);
  const kept = `${run.dependencies.home}/kept`;
  const runTraining: StubbedActivities['runTraining'] = async (request) => {
    const attempt = await activities.runTraining(request);
    if (request.attempt === 1) {
      await cp(checkpoints, kept, { recursive: true });
      for (const name of await readdir(checkpoints))
        if (name.endsWith('.pth')) await truncate(`${checkpoints}/${name}`, 100);
    }
    return attempt;
  };
  try {
    await withWorkers({ runTraining, resolvePlan: () => Promise.resolve(miniPlan) }, async (client) => {
      const { handle, untilAsked, readStatus } = await startAndWait(client);
      const { notice } = await untilAsked(1);
      expect(notice).toContain('e002-i000020.pth was saved, but');
      await cp(kept, checkpoints, { recursive: true });
      await handle.executeUpdate(updateNames.resume);
      await handle.result();
      const { attempts } = await readStatus();
      expect(attempts.at(-1)).toMatchObject({ outcome: 'finished', resumedFrom: 'e002-i000020.pth', toIteration: 30 });
    });
  } finally {
    await run.remove();
  }
});

test('a real run tests after all when its manifests are deleted before the test, and asks when its files are damaged', async () => {
  const run = await createMiniRun();
  const { checkpoints } = run.folder.train;
  const { runTraining, runTest } = createGpuActivities(run.dependencies);
  const damageAll = async (ending: string, damage: (path: string) => Promise<void>) => {
    for (const name of await readdir(checkpoints)) if (name.endsWith(ending)) await damage(`${checkpoints}/${name}`);
  };
  let tests = 0;
  const damaging: StubbedActivities['runTest'] = async (request) => {
    tests += 1;
    if (tests === 1) await damageAll('.json', (path) => rm(path));
    if (tests === 2) await damageAll('.pth', (path) => truncate(path, 100));
    return runTest(request);
  };
  const resolvePlan = () => Promise.resolve(miniPlan);
  try {
    await withWorkers({ runTraining, runTest: damaging, resolvePlan }, async (client) => {
      const { handle, untilAsked, readStatus } = await startAndWait(client);
      const { attempts } = await untilAsked(1);
      expect(attempts.map(({ outcome, resumedFrom }) => [outcome, resumedFrom])).toEqual([
        ['finished', null],
        ['finished', 'e003-i000030.pth'],
        ['crashed', null],
      ]);
      await handle.executeUpdate(updateNames.startOver);
      await handle.result();
      expect((await readStatus()).attempts.at(-1)).toMatchObject({ outcome: 'finished', fromIteration: 0 });
    });
  } finally {
    await run.remove();
  }
});
