/** Tests the updates of a running training on the real server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import type { TrainingRequest } from '../../../activities/train/training-request.ts';
import { progressSignalName } from '../../../configs/names.ts';
import { TrainerControl, RunStatus, type Attempt, type Progress } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import type { trainDetector } from '../../../workflows/index.ts';
import { checkpointNowUpdate, extendEpochsUpdate, pauseUpdate } from '../../../workflows/train/control-handlers.ts';
import { until } from '../../helpers/until.ts';
import { aFailure, anAttempt } from '../../helpers/stub-activities.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

type Handle = WorkflowHandle<typeof trainDetector>;

/** Simulates a training that saves a checkpoint when it is cancelled, and reports it. */
async function trainUntilStopped({ attempt }: TrainingRequest): Promise<Attempt> {
  const { cancelled, heartbeat } = Context.current();
  const beat = setInterval(() => heartbeat('training'), 100);
  await cancelled.catch(() => undefined);
  await sleep(300); // saving
  clearInterval(beat);
  return anAttempt({ attempt, outcome: 'preempted', checkpoints: [42] });
}

const statusOf = async (handle: Handle) => RunStatus.parse(await handle.query('status'));

async function whileTraining(body: (handle: Handle) => Promise<void>, later = trainUntilStopped): Promise<void> {
  let isTraining = false;
  const runTraining = (request: TrainingRequest) => {
    isTraining = true;
    return request.attempt === 1 ? trainUntilStopped(request) : later(request);
  };
  await withWorkers({ runTraining }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await until(() => Promise.resolve(isTraining || undefined));
    await body(handle);
    if ((await handle.describe()).status.name === 'RUNNING') {
      await handle.cancel();
      await handle.result().catch(() => undefined);
    }
  });
}

const refusalOf = async (update: Promise<unknown>): Promise<string> => {
  const error = await update.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
  return String((error as WorkflowUpdateFailedError).cause?.message);
};

const failForGood = (): Promise<Attempt> =>
  Promise.reject(ApplicationFailure.nonRetryable('the data set is invalid', 'DatasetInvalid'));

test.each(['runTraining', 'checkMachine'])(
  'checkpointNow is answered when %s fails before the checkpoint',
  async (name) => {
    let fail: () => void = () => undefined;
    const hasToFail = new Promise<void>((resolve) => (fail = resolve));
    await withWorkers({ [name]: () => hasToFail.then(failForGood) }, async (client) => {
      const { handle } = await startRun(client, freshInput());
      await until(async () => (await statusOf(handle)).stage === 'training' || undefined);
      const request = await handle.startUpdate(checkpointNowUpdate, { waitForStage: 'ACCEPTED' });
      fail();
      await expect(handle.result()).rejects.toThrow();
      expect(await request.result()).toEqual({ checkpoint: null });
    });
  },
);

const finish = ({ attempt }: TrainingRequest): Promise<Attempt> => Promise.resolve(anAttempt({ attempt }));

test('pause saves a checkpoint and returns its duration; resume continues the training', async () => {
  await whileTraining(async (handle) => {
    const saved = await handle.executeUpdate(pauseUpdate);
    expect(saved.iteration).toBe(42);
    expect(saved.seconds).toBeGreaterThan(0.25);
    const paused = await statusOf(handle);
    expect(paused.notice).toContain('Paused');
    expect(paused.decisions.map(({ next }) => next)).toEqual(['pause']);
    expect(await refusalOf(handle.executeUpdate('pause'))).toContain('paused');
    await sleep(1000);
    await handle.executeUpdate('resume');
    await handle.result();
    const { attempts, notice, ledger } = await statusOf(handle);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['preempted', 'finished']);
    expect(notice).toBeNull();
    expect(ledger.pausedSeconds).toBeGreaterThan(1);
    expect(ledger.pausedSeconds).toBeLessThan(100);
  }, finish);
});

test('validators reject updates that do not apply, with a reason', async () => {
  await whileTraining(async (handle) => {
    const rejection = (name: string, epochs?: unknown) =>
      refusalOf(handle.executeUpdate(name, { args: epochs === undefined ? [] : [epochs] } as { args: [unknown] }));
    expect(await rejection('resume')).toContain('not paused');
    expect(await rejection('stopAfterEpoch', 99)).toContain('already ends after epoch 3');
    expect(await rejection('stopAfterEpoch', 'soon')).toContain('whole number');
    expect(await rejection('extendEpochs', 2)).toContain('already trains to epoch 3');
    const same = await rejection('extendEpochs', 3);
    expect(same).toMatch(/already trains to epoch 3\. To train longer, .* everswin extend \S+ 4$/);
  });
});

test('stopAfterEpoch and extendEpochs change the control values and return the schedule', async () => {
  await whileTraining(async (handle) => {
    await handle.executeUpdate('stopAfterEpoch', { args: [2, 'maria'] });
    expect(TrainerControl.parse(await handle.query('control')).epochs).toBe(2);
    const extended = await handle.executeUpdate(extendEpochsUpdate, { args: [5] });
    expect(extended.schedule).toBe('epochs 4 to 5 use the final learning rate');
    expect(TrainerControl.parse(await handle.query('control')).epochs).toBe(5);
    expect((await statusOf(handle)).epochChanges).toMatchObject([
      { request: 'stop-after', from: 3, to: 2, who: 'maria' },
      { request: 'extend', from: 2, to: 5, who: null },
    ]);
  });
});

test('checkpointNow returns after the checkpoint is saved', async () => {
  await whileTraining(async (handle) => {
    let answered = false;
    const update = handle.executeUpdate(checkpointNowUpdate).finally(() => (answered = true));
    while (TrainerControl.parse(await handle.query('control')).checkpointNow === 0) await sleep(50);
    await sleep(500);
    expect(answered).toBe(false);
    const progress: Progress = {
      v: 1,
      attempt: 1,
      epoch: 2,
      epochs: 3,
      iteration: 17,
      loss: 1,
      lr: 1,
      bboxAP: null,
      segmAP: null,
      etaSeconds: 1,
      lastCheckpoint: 'e001-i000017.pth',
      checkpointNow: 1,
      pid: 1,
      remote: null,
    };
    await handle.signal(progressSignalName, progress);
    expect(await update).toEqual({ checkpoint: 'e001-i000017.pth' });
  });
});

test('cancellation saves a checkpoint and names it in the last decision', async () => {
  await whileTraining(async (handle) => {
    await handle.cancel();
    await handle.result().catch(() => undefined);
    expect((await handle.describe()).status.name).toBe('CANCELLED');
    const { stage, decisions } = await statusOf(handle);
    expect(stage).toBe('cancelled');
    expect(decisions).toMatchObject([{ next: 'stop', why: expect.stringContaining('checkpoint 42') as string }]);
  });
});

test('cancellation ends a paused run at once', async () => {
  await whileTraining(async (handle) => {
    await handle.executeUpdate('pause');
    await handle.cancel();
    await handle.result().catch(() => undefined);
    expect((await handle.describe()).status.name).toBe('CANCELLED');
    expect(await statusOf(handle)).toMatchObject({ stage: 'cancelled', notice: null });
  });
});

test('trainDetector passes the changes of a decision to the next attempt', async () => {
  const requests: TrainingRequest[] = [];
  const runTraining = (request: TrainingRequest) => {
    requests.push(request);
    const failure = aFailure('rollback');
    const diverged: Partial<Attempt> = { outcome: 'crashed', failure, checkpoints: [30, 20], fence: 5 };
    return Promise.resolve(anAttempt({ attempt: request.attempt, ...(request.attempt === 1 ? diverged : {}) }));
  };
  await withWorkers({ runTraining }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result();
    expect(requests[1]).toMatchObject({
      control: { learningRateFactor: 0.5 },
      rollback: { toIteration: 20, fence: 5 },
    });
    expect((await statusOf(handle)).decisions[0]?.change).toContain('learning rate x 0.5');
  });
});
