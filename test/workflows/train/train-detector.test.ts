import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { taskQueues, workflowId, workflowTypes } from '../../../configs/names.ts';
import { RunStatus, type Attempt, type Check } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { miniDataset, miniWeights } from '../../helpers/mini-run.ts';
import { until } from '../../helpers/until.ts';
import { anAttempt } from '../../helpers/stub-activities.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

const startRaw = (client: Client, args: unknown[]) =>
  client.workflow.start(workflowTypes.trainDetector, {
    taskQueue: taskQueues.control,
    workflowId: workflowId(freshInput().name),
    args,
  });

const causeOf = async (result: Promise<unknown>): Promise<unknown> => {
  const error: unknown = await result.catch((failure: unknown) => failure);
  return error instanceof Error ? error.cause : error;
};

test('trainDetector runs from plan to report and shows stage, metrics and report', async () => {
  await withWorkers({}, async (client) => {
    const { handle } = await startRun(client, freshInput());
    expect(await handle.result()).toMatchObject({ uri: 'file:///report/index.html', bbox: { AP: 0.5 } });
    const status = RunStatus.parse(await handle.query('status'));
    expect(status).toMatchObject({ stage: 'done', report: 'file:///report/index.html' });
    const { typedSearchAttributes } = await handle.describe();
    const shown = Object.fromEntries(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]));
    expect(shown).toMatchObject({ Phase: 'done', Recipe: 'mini', BboxMAP: 0.5, SegmMAP: 0.5 });
  });
});

test('trainDetector fetches data and weights concurrently', async () => {
  let inFlight = 0;
  const overlapping = async <T>(value: T): Promise<T> => {
    inFlight += 1;
    await until(() => Promise.resolve(inFlight >= 2 || undefined)); // each waits for the other
    return value;
  };
  await withWorkers(
    { fetchDataset: () => overlapping(miniDataset), fetchWeights: () => overlapping(miniWeights) },
    async (client) => (await startRun(client, freshInput())).handle.result(),
  );
  expect(inFlight).toBe(2);
});

test('trainDetector stops before training when the dry run finds errors, unless forced', async () => {
  const stop: Check = { name: 'GPUs', verdict: 'error', message: '4 requested, 2 available', remedy: 'Set gpus to 2.' };
  const fine: Check = { name: 'port', verdict: 'ok', message: 'a free one', remedy: null };
  let trained = 0;
  const runTraining = ({ attempt }: { attempt: number }) => {
    trained += 1;
    return Promise.resolve(anAttempt({ attempt }));
  };
  const checks = { checkPlan: () => Promise.resolve([fine]), checkMachine: () => Promise.resolve([stop]) };
  await withWorkers({ ...checks, runTraining }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    const cause = await causeOf(handle.result());
    expect(cause).toMatchObject({ type: 'PlanStopped', nonRetryable: true });
    expect(cause).toMatchObject({
      message: 'The dry run found 1 error:\n- GPUs: 4 requested, 2 available. Set gpus to 2.',
    });
    expect(trained).toBe(0);

    const forced = await startRun(client, { ...freshInput(), force: true });
    await forced.handle.result();
    expect(trained).toBe(1);
    const status = RunStatus.parse(await forced.handle.query('status'));
    expect(status.checks).toEqual([fine, stop]);
  });
});

test('trainDetector shows what the preparation found in the data, at most ten lines of it', async () => {
  const warnings = Array.from({ length: 12 }, (_, index) => `train: left out "${index}.jpg"`);
  await withWorkers({ fetchDataset: () => Promise.resolve({ ...miniDataset, warnings }) }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result();
    const { checks } = RunStatus.parse(await handle.query('status'));
    const found = checks.filter(({ name, verdict }) => name === 'data set' && verdict === 'warning');
    expect(found.map(({ message }) => message)).toEqual([...warnings.slice(0, 10), '2 more; the report lists all']);
  });
});

test('trainDetector rejects an invalid input and names every problem with its path', async () => {
  await withWorkers({}, async (client) => {
    const handle = await startRaw(client, [{ version: 1, name: '../etc', epochs: -3, lr: 1, gpus: 4, batchPerGpu: 2 }]);
    const cause = await causeOf(handle.result());
    expect(cause).toBeInstanceOf(ApplicationFailure);
    expect(cause).toMatchObject({ type: 'InvalidInput', nonRetryable: true });
    const { message } = cause as ApplicationFailure;
    expect(message.split('\n- ').map((line) => line.replace(/,? got.*/s, ''))).toEqual([
      'The run input has 6 problems:',
      'unknown field `lr`: did you mean `learningRate`?',
      expect.stringMatching(/^name: expected the name to be/) as string,
      '`recipe` is missing',
      '`weights` is missing',
      'epochs: expected a whole number from 1 to 1000',
      'data: expected either `data`, your own images and annotations, or `dataset`, an id of the catalog',
    ]);
  });
});

test('trainDetector fails the run, not the workflow task, when started without input', async () => {
  await withWorkers({}, async (client) => {
    const handle = await startRaw(client, []);
    expect(await causeOf(handle.result())).toMatchObject({ type: 'InvalidInput' });
  });
});

test('trainDetector resumes crashes with progress without counting them', async () => {
  const endings: Partial<Attempt>[] = [
    { outcome: 'crashed', checkpointIteration: 10, cause: 'Rank 0 ended with SIGKILL' },
    { outcome: 'crashed', fromIteration: 10, checkpointIteration: 20 },
    { outcome: 'crashed', fromIteration: 20, checkpointIteration: 30 },
    { outcome: 'crashed', fromIteration: 30, checkpointIteration: 40 },
    { outcome: 'finished' },
  ];
  const attempts: number[] = [];
  await withWorkers(
    {
      runTraining: ({ attempt }) => {
        attempts.push(attempt);
        return Promise.resolve(anAttempt({ attempt, ...endings[attempt - 1] }));
      },
    },
    async (client) => {
      const { handle } = await startRun(client, freshInput());
      await handle.result();
      const status = RunStatus.parse(await handle.query('status'));
      expect(attempts).toEqual([1, 2, 3, 4, 5]);
      expect(status.decisions.map(({ next }) => next)).toEqual(['retry', 'retry', 'retry', 'retry', 'test']);
    },
  );
});

test('trainDetector stops after three crashes without a checkpoint and names the cause', async () => {
  await withWorkers(
    {
      runTraining: ({ attempt }) =>
        Promise.resolve(
          anAttempt({
            attempt,
            outcome: 'crashed',
            checkpointIteration: null,
            cause: 'Rank 0: no such key',
            logTail: ['KeyError'],
          }),
        ),
    },
    async (client) => {
      const { handle } = await startRun(client, freshInput());
      const cause = await causeOf(handle.result());
      expect(cause).toMatchObject({ type: 'TrainerNoProgress' });
      const { message } = cause as ApplicationFailure;
      expect(message).toContain('Rank 0: no such key');
      expect(message).toContain('KeyError');
      expect(message).toContain('Next:');
    },
  );
});

test('trainDetector starts the next attempt when a worker sends no heartbeat', async () => {
  await withWorkers(
    {
      runTraining: async ({ attempt }) => {
        if (attempt === 1) await Context.current().cancelled.catch(() => undefined); // sends no heartbeat, like a dead worker
        return anAttempt({ attempt, adopted: attempt > 1 });
      },
    },
    async (client) => {
      const { handle } = await startRun(client, freshInput());
      await handle.result();
      const { attempts, decisions } = RunStatus.parse(await handle.query('status'));
      expect(attempts.map(({ outcome }) => outcome)).toEqual(['worker-lost', 'finished']);
      expect(decisions.map(({ next }) => next)).toEqual(['adopt', 'test']);
    },
  );
});

test('startRun joins a running run and does not train a finished one again', async () => {
  let hasJoined = false;
  const fetchDataset = async () => {
    await until(() => Promise.resolve(hasJoined || undefined));
    return miniDataset;
  };
  await withWorkers({ fetchDataset }, async (client) => {
    const input = freshInput();
    const first = await startRun(client, input);
    const second = await startRun(client, input);
    hasJoined = true;
    expect([first.how, second.how]).toEqual(['started', 'joined']);
    await first.handle.result();
    expect((await startRun(client, input)).how).toBe('finished');
  });
});

test('trainDetector rejects a workflow id that does not match the run name', async () => {
  await withWorkers({}, async (client) => {
    const input = freshInput();
    const handle = await client.workflow.start(workflowTypes.trainDetector, {
      taskQueue: taskQueues.control,
      workflowId: `another-${input.name}`,
      args: [input],
    });
    const cause = await causeOf(handle.result());
    expect(cause).toMatchObject({ type: 'InvalidInput' });
    expect((cause as ApplicationFailure).message).toContain(workflowId(input.name));
  });
});
