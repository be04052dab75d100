/** Errors of the steps before and after the training: preparation, COCO test, export, report and upload. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { ApplicationFailure } from '@temporalio/common';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { RunStatus, type TestFailure } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { createMiniRun, miniDataset, miniPlan, miniWeights, type MiniRun } from '../../helpers/mini-run.ts';
import { aDetector, aReport, someMetrics, type StubbedActivities } from '../../helpers/stub-activities.ts';
import { until } from '../../helpers/until.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

const statusOf = async (handle: { query: (name: string) => Promise<unknown> }): Promise<RunStatus> =>
  RunStatus.parse(await handle.query('status'));

/** Fails as many times as there are errors, and then succeeds. */
function failing<T>(errors: Error[], result: T) {
  const pending = [...errors];
  const step = { tries: 0, run: (): Promise<T> => Promise.resolve(result) };
  step.run = () => {
    step.tries += 1;
    const error = pending.shift();
    return error === undefined ? Promise.resolve(result) : Promise.reject(error);
  };
  return step;
}

const crash = (details?: TestFailure): Error =>
  ApplicationFailure.create({
    message: 'Rank 0 ended with SIGSEGV.',
    type: 'TrainerCommandFailed',
    details: details === undefined ? [] : [details],
  });
const crashAt = (images: number): Error => crash({ outcome: 'crashed', images });

describe('a run with real trainings and tests', () => {
  let run: MiniRun;
  let activities: Partial<StubbedActivities>;
  beforeEach(async () => {
    run = await createMiniRun();
    const { runTraining, runTest, exportDetector, waitForSpace } = createGpuActivities(run.dependencies);
    const resolvePlan = () => Promise.resolve(miniPlan);
    activities = { runTraining, runTest, exportDetector, waitForSpace, resolvePlan };
  });
  afterEach(() => run.remove());

  test.each([
    ['segmentation fault', 'SIGSEGV', 'native-crash'],
    ['kill, as for memory', 'SIGKILL', 'killed'],
  ])('trainDetector ends after three tests that end with a %s', async (_title, signal, name) => {
    let tests = 0;
    const { test: testProgram } = run.dependencies.programs;
    run.dependencies.programs.test = (...args) => {
      tests += 1;
      const [, , ...argv] = testProgram(...args);
      const die = `import os, signal; print('line before the end', flush=True); os.kill(os.getpid(), signal.${signal})`;
      return ['-c', die, ...argv];
    };
    await withWorkers(activities, async (client) => {
      const { handle } = await startRun(client, freshInput());
      const error: unknown = await handle.result().catch((caught: unknown) => caught);
      expect(error).toMatchObject({ cause: { cause: undefined, type: 'TrainerNoProgress' } });
      const { message } = (error as { cause: Error }).cause;
      expect(message).toMatch(/^The COCO test failed 3 times in a row without progress\. /);
      expect(message).toContain(`ended with ${signal}`);
      expect(message).toContain(`${name}: `);
      expect(message).toContain('line before the end');
      expect(message).toContain('start the run again');
      expect(tests).toBe(3);
    });
  });

  test.each([
    ['the test', 'testing', () => run.folder.test.dir],
    ['the export', 'reporting', () => run.folder.detector],
  ])('trainDetector waits for the storage of %s and resumes', async (_title, stage, blocked) => {
    // A file in the place of a folder: as for a read-only mount, but without root.
    await mkdir(run.folder.root, { recursive: true });
    await writeFile(blocked(), '');
    await withWorkers(activities, async (client) => {
      const { handle } = await startRun(client, freshInput());
      const { notice } = await until(async () => {
        const status = await statusOf(handle);
        return status.notice === null ? undefined : status;
      });
      expect(notice).toContain(blocked());
      expect(notice).toContain('Repair what the message names');
      expect((await statusOf(handle)).stage).toBe(stage);
      await rm(blocked());
      await handle.result();
      expect(await statusOf(handle)).toMatchObject({ stage: 'done', notice: null });
    });
  });

  test('trainDetector names an image that the test may not read, and waits for it', async () => {
    const image = '/data/coco/val2017/000000000139.jpg';
    run.dependencies.programs.test = () => [
      '-c',
      `raise PermissionError(13, 'Permission denied', ${JSON.stringify(image)})`,
    ];
    await withWorkers(activities, async (client) => {
      const { handle } = await startRun(client, freshInput());
      const { notice } = await until(async () => {
        const status = await statusOf(handle);
        return status.notice === null ? undefined : status;
      });
      expect(notice).toContain(image);
      expect(notice).toContain('may not read');
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    });
  });
});

test('trainDetector repeats a test that tested more images since its last crash', async () => {
  const step = failing([5, 10, 15, 20, 20].map(crashAt), someMetrics);
  await withWorkers({ runTest: step.run }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result();
    expect(step.tries).toBe(6);
  });
});

test('trainDetector does not count tests that were stopped', async () => {
  const stopped = crash({ outcome: 'preempted', images: 0 });
  const step = failing([crashAt(0), stopped, stopped, crashAt(0)], someMetrics);
  await withWorkers({ runTest: step.run }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result();
    expect(step.tries).toBe(5);
  });
});

test.each(['fetchDataset', 'fetchWeights', 'exportDetector', 'writeReport'] as const)(
  'trainDetector ends when %s crashes three times',
  async (name) => {
    const results = {
      fetchDataset: miniDataset,
      fetchWeights: miniWeights,
      exportDetector: aDetector,
      writeReport: aReport,
    };
    const step = failing([crash(), crash(), crash()], results[name]);
    await withWorkers({ [name]: step.run }, async (client) => {
      const { handle } = await startRun(client, freshInput());
      await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'TrainerNoProgress' } });
      expect(step.tries).toBe(3);
    });
  },
);

test.each(['fetchDataset'] as const)('trainDetector shows what %s waits for until the storage works', async (name) => {
  const results = { fetchDataset: miniDataset, fetchWeights: miniWeights };
  let isAway = true;
  const prepare = () =>
    isAway
      ? Promise.reject(ApplicationFailure.create({ message: "EIO: i/o error, '/store/x'", type: 'StorageUnavailable' }))
      : Promise.resolve(results[name]);
  await withWorkers({ [name]: prepare }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    const status = await until(async () => {
      const current = await statusOf(handle);
      return current.notice === null ? undefined : current;
    });
    expect(status).toMatchObject({ stage: 'fetching', notice: expect.stringContaining("'/store/x'") as string });
    isAway = false;
    await handle.result();
    expect(await statusOf(handle)).toMatchObject({ stage: 'done', notice: null });
  });
});

test('trainDetector notifies once while a storage stays away, and when it works again', async () => {
  const sent: string[] = [];
  const away = ['StorageUnavailable', 'DiskFull', 'StorageUnavailable', 'StorageUnavailable'].map((type) =>
    ApplicationFailure.create({ message: "EROFS: read-only file system, open '/store/x'", type }),
  );
  const step = failing(away, aReport);
  const notify: StubbedActivities['notify'] = ({ notification }) => {
    sent.push(`${notification.event}: ${notification.text}`);
    return Promise.resolve();
  };
  await withWorkers({ writeReport: step.run, notify }, async (client) => {
    const input = { ...freshInput(), notify: [{ to: 'webhook' as const, ref: 'OPS' }] };
    const { handle } = await startRun(client, input);
    await handle.result();
    expect(sent.map((text) => text.split(':')[0])).toEqual(['started', 'stalled', 'recovered', 'done']);
    expect(sent[1]).toContain("EROFS: read-only file system, open '/store/x'");
  });
});

test('errors of the machine are retried by Temporal and do not count as crashes', async () => {
  const machine = ['Unexpected', 'StoreUnavailable', 'WorkerStopping'].map((type) =>
    ApplicationFailure.create({ message: 'EMFILE: too many open files', type, nextRetryDelay: '10 milliseconds' }),
  );
  const step = failing([...machine, crashAt(0), ...machine, crashAt(0)], someMetrics);
  await withWorkers({ runTest: step.run }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result();
    expect(step.tries).toBe(9);
  });
});
