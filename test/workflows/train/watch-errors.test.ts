/** Errors of the activity that watches a trainer, and what becomes of the trainer when its run ends. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { CodedError } from '../../../activities/shared/errors/coded-error.ts';
import { toFailure } from '../../../activities/shared/temporal/failure.ts';
import { RunStatus } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { pauseUpdate, resumeUpdate } from '../../../workflows/train/control-handlers.ts';
import { until } from '../../helpers/until.ts';
import { aFailure, anAttempt, type StubbedActivities } from '../../helpers/stub-activities.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

/** An error of the machine, as Node raises it. */
const systemError = (code: string) => Object.assign(new Error(`${code}: sample, open 'watcher.json'`), { code });

const passing: [string, Error][] = [
  ...['EMFILE', 'ENOMEM'].map((code): [string, Error] => ['Unexpected', systemError(code)]),
  ...['EIO', 'ESTALE', 'EACCES', 'EROFS'].map((code): [string, Error] => ['StorageUnavailable', systemError(code)]),
  ['Unexpected', new SyntaxError('Unexpected end of JSON input')],
  ['Unexpected', new TypeError("Cannot read properties of undefined (reading 'pid')")],
  ['StaleAttempt', new CodedError('StaleAttempt', 'The attempt with fence 1 is superseded by fence 2.')],
  ['TrainerLocked', new CodedError('TrainerLocked', 'Another trainer holds the lock.')],
  ['StoreUnavailable', new CodedError('StoreUnavailable', 'The store did not answer.')],
];

test('trainDetector continues after errors that say nothing about the training, and records them', async () => {
  const errors = new Map<string, Error>();
  const runTraining = ({ plan, attempt }: { plan: { runId: string }; attempt: number }) => {
    const error = errors.get(plan.runId);
    return attempt === 1 && error !== undefined
      ? Promise.reject(toFailure(error))
      : Promise.resolve(anAttempt({ attempt }));
  };
  await withWorkers({ runTraining }, async (client) => {
    const check = async ([type, error]: [string, Error]) => {
      const input = freshInput();
      errors.set(input.name, error);
      const { handle } = await startRun(client, input);
      await handle.result();
      const { attempts, decisions } = RunStatus.parse(await handle.query('status'));
      expect(attempts.map(({ outcome, watchError }) => [outcome, watchError])).toEqual([
        ['worker-lost', type],
        ['finished', undefined],
      ]);
      expect(attempts[0]?.cause).toContain(error.message.split('\n')[0]);
      const next = type === 'StorageUnavailable' ? 'wait-for-storage' : 'adopt';
      expect(decisions[0]).toMatchObject({ next, why: expect.stringContaining(`failed (${type})`) as string });
    };
    await Promise.all(passing.map(check));
  });
});

test('trainDetector shows that it waits for the artifact store between attempts', async () => {
  let isAway = true;
  const runTraining: StubbedActivities['runTraining'] = ({ attempt }) =>
    isAway
      ? Promise.reject(toFailure(new CodedError('StoreUnavailable', 'The store did not answer.')))
      : Promise.resolve(anAttempt({ attempt }));
  await withWorkers({ runTraining }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    const notice = await until(async () => RunStatus.parse(await handle.query('status')).notice ?? undefined);
    expect(notice).toContain('waits for the artifact store. ');
    expect(notice).toContain('The store did not answer.');
    isAway = false;
    await handle.result();
    expect(RunStatus.parse(await handle.query('status')).notice).toBeNull();
  });
});

test('trainDetector keeps its notice while it backs off from a file that no probe reads', async () => {
  let probes = 0;
  const waiting = { outcome: 'crashed', failure: aFailure('wait-for-storage'), checkpointIteration: null } as const;
  await withWorkers(
    {
      runTraining: ({ attempt }) => Promise.resolve(anAttempt(attempt > 4 ? { attempt } : { ...waiting, attempt })),
      waitForSpace: () => {
        probes += 1;
        return Promise.resolve({ freeBytes: 2, neededBytes: 1 });
      },
    },
    async (client) => {
      const { handle } = await startRun(client, freshInput());
      const readNotice = async () => RunStatus.parse(await handle.query('status')).notice;
      await until(() => Promise.resolve(probes === 4 || undefined));
      const began = performance.now();
      await until(async () => ((await readNotice()) === null ? true : undefined));
      // The fourth failure in a row backs off for four seconds.
      expect(performance.now() - began).toBeGreaterThan(2_000);
      await handle.result();
    },
  );
});

test('trainDetector stops its trainer before it fails, and names a host that does not answer', async () => {
  const stopped: string[] = [];
  await withWorkers(
    {
      runTraining: () => Promise.reject(toFailure(new CodedError('DatasetInvalid', 'An image is damaged.'))),
      stopJobs: ({ runId }) => {
        stopped.push(runId);
        return stopped.length === 1 ? Promise.resolve() : Promise.reject(ApplicationFailure.nonRetryable('no answer'));
      },
    },
    async (client) => {
      const endOf = async () => {
        const { handle } = await startRun(client, freshInput());
        await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'DatasetInvalid' } });
        return RunStatus.parse(await handle.query('status'));
      };
      expect(await endOf()).toMatchObject({ stage: 'failed', notice: null });
      const { notice } = await endOf();
      expect(notice).toMatch(/^the GPU worker did not answer, so a trainer of this run may still be running there\./);
      expect(stopped).toHaveLength(2);
    },
  );
});

/** Attempt whose worker sends no heartbeat, so Temporal times it out while its trainer may still run. */
const frozen = (): Promise<never> => Context.current().cancelled; // at the shutdown of the worker

test('an attempt whose worker is lost is recorded with the steps of its last heartbeat', async () => {
  const { fence, adopted, resumedFrom, fromIteration, toIteration, fromEpoch, epoch, host, firstStepAt } = anAttempt(
    {},
  );
  const seconds = { steppingSeconds: 1, productiveSeconds: 1, evaluationSeconds: 0 };
  const steps = { fence, adopted, resumedFrom, fromIteration, toIteration, fromEpoch, epoch, host, firstStepAt };
  const runTraining = ({ attempt }: { attempt: number }) => {
    if (attempt > 1) return Promise.resolve(anAttempt({ attempt }));
    Context.current().heartbeat({ v: 1, watched: { ...steps, ...seconds } });
    return frozen();
  };
  await withWorkers({ runTraining }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result();
    const { attempts } = RunStatus.parse(await handle.query('status'));
    expect(attempts[0]).toMatchObject({ outcome: 'worker-lost', cause: 'Worker lost: heartbeat timeout.', ...steps });
  });
});

test('a cancelled run whose worker was lost stops its trainer before it ends', async () => {
  const stopped: string[] = [];
  await withWorkers(
    {
      runTraining: frozen,
      stopJobs: ({ runId }) => {
        stopped.push(runId);
        return Promise.resolve();
      },
    },
    async (client) => {
      const input = freshInput();
      const { handle } = await startRun(client, input);
      await until(async () => (RunStatus.parse(await handle.query('status')).stage === 'training' ? true : undefined));
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      expect(stopped).toEqual([input.name]);
    },
  );
});

test('a run that is paused while its worker is lost stops its trainer, and resumes', async () => {
  let stopped = 0;
  await withWorkers(
    {
      runTraining: ({ attempt }) => (attempt === 1 ? frozen() : Promise.resolve(anAttempt({ attempt }))),
      stopJobs: () => {
        stopped += 1;
        return Promise.resolve();
      },
    },
    async (client) => {
      const { handle } = await startRun(client, freshInput());
      await until(async () => (RunStatus.parse(await handle.query('status')).stage === 'training' ? true : undefined));
      await handle.executeUpdate(pauseUpdate);
      expect(stopped).toBe(1);
      await handle.executeUpdate(resumeUpdate);
      await handle.result();
    },
  );
});

test('a run that backs off while its trainer runs stops it at once when it is paused or cancelled', async () => {
  const codes = ['Unexpected', 'StoreUnavailable', 'StorageUnavailable'] as const;
  const errors = new Map<string, CodedError>();
  const stopped: string[] = [];
  await withWorkers(
    {
      runTraining: ({ plan }) => Promise.reject(toFailure(errors.get(plan.runId))),
      waitForSpace: () => Promise.resolve({ freeBytes: 2, neededBytes: 1 }),
      stopJobs: ({ runId }) => {
        stopped.push(runId);
        return Promise.resolve();
      },
    },
    async (client) => {
      /** Starts a run whose watch fails, and waits until it backs off for at least four seconds. */
      const startBackingOff = async (code: (typeof codes)[number]) => {
        const input = freshInput();
        errors.set(input.name, new CodedError(code, 'The watch of the trainer failed.'));
        const { handle } = await startRun(client, input);
        const readAttempts = async () => RunStatus.parse(await handle.query('status')).attempts;
        await until(async () => (await readAttempts()).length >= 4 || undefined);
        return { handle, runId: input.name };
      };
      const cancel = async (code: (typeof codes)[number]) => {
        const { handle, runId } = await startBackingOff(code);
        await handle.cancel();
        await expect(handle.result(), code).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
        expect(stopped.filter((one) => one === runId)).toHaveLength(1);
      };
      const pause = async (code: (typeof codes)[number]) => {
        const { handle, runId } = await startBackingOff(code);
        const { seconds } = await handle.executeUpdate(pauseUpdate);
        expect(seconds, code).toBeLessThan(3);
        expect(stopped.filter((one) => one === runId)).toHaveLength(1);
        expect(RunStatus.parse(await handle.query('status')).notice).toMatch(/^Paused\./);
        await handle.terminate();
      };
      await Promise.all(codes.flatMap((code) => [cancel(code), pause(code)]));
    },
  );
});

test('a cancelled run stops a trainer that lost its watch before an attempt that could not start', async () => {
  let attempts = 0;
  let stopped = 0;
  const failToStart = async (attempt: number) => {
    const { cancelled, heartbeat } = Context.current();
    const beat = setInterval(heartbeat, 100);
    await cancelled.catch(() => undefined);
    clearInterval(beat);
    return anAttempt({ attempt, outcome: 'crashed', failure: aFailure('wait-for-space'), trainerEndedAt: null });
  };
  await withWorkers(
    {
      runTraining: ({ attempt }) => {
        attempts = attempt;
        return attempt === 1 ? Promise.reject(toFailure(systemError('EMFILE'))) : failToStart(attempt);
      },
      stopJobs: () => Promise.resolve(void (stopped += 1)),
    },
    async (client) => {
      const { handle } = await startRun(client, freshInput());
      await until(() => Promise.resolve(attempts === 2 || undefined));
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      expect(stopped).toBe(1);
    },
  );
});

test('a paused run names the worker that did not stop its trainer, until one did', async () => {
  let isSilent = true;
  await withWorkers(
    {
      runTraining: () => Promise.reject(toFailure(new CodedError('StoreUnavailable', 'The store did not answer.'))),
      stopJobs: () => (isSilent ? Promise.reject(ApplicationFailure.nonRetryable('no answer')) : Promise.resolve()),
    },
    async (client) => {
      const { handle } = await startRun(client, freshInput());
      const readStatus = async () => RunStatus.parse(await handle.query('status'));
      await until(async () => (await readStatus()).attempts.length >= 3 || undefined);
      await handle.executeUpdate(pauseUpdate);
      expect((await readStatus()).notice).toMatch(
        /^Paused, but the GPU worker did not answer, .* To adopt it: everswin resume /,
      );
      await handle.executeUpdate(resumeUpdate);
      const { length } = (await readStatus()).attempts;
      await until(async () => (await readStatus()).attempts.length > length || undefined);
      isSilent = false;
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      expect((await readStatus()).notice).toBeNull();
    },
  );
});
