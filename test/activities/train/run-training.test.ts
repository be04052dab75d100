import { access, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import { execa } from 'execa';
import { afterEach, describe, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { readRunPointer } from '../../../activities/mirror/run-pointer-writer.ts';
import { isAlive } from '../../../activities/shared/trainer/process-identity.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { openStore } from '../../../activities/shared/store/open-store.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { Watcher } from '../../../activities/shared/trainer/watcher-file.ts';
import type { TrainingRequest } from '../../../activities/train/training-request.ts';
import { TrainerControl, Progress, type Attempt } from '../../../configs/schema/index.ts';
import { clientOf, mockEnvironment } from '../../helpers/mock-environment.ts';
import {
  createMiniRun,
  miniDataset,
  miniControl,
  miniPlan,
  miniWeights,
  type MiniRun,
} from '../../helpers/mini-run.ts';
import { until } from '../../helpers/until.ts';

let run: MiniRun | undefined;
afterEach(() => run?.remove());

const start = (
  mini: MiniRun,
  attempt: number,
  over: Partial<TrainingRequest> = {},
  environment = mockEnvironment(),
): Promise<Attempt> => {
  const { runTraining } = createGpuActivities(mini.dependencies);
  const inputs = { plan: miniPlan, dataset: miniDataset, weights: miniWeights };
  return environment.run(runTraining, {
    ...inputs,
    attempt,
    control: miniControl,
    rollback: null,
    since: 0,
    ...over,
  });
};

/** Returns the run on a worker of a version. */
function withCode(mini: MiniRun, everswin: string): MiniRun {
  const { python } = mini.dependencies;
  const env = { ...python.env, EVERSWIN_CODE: JSON.stringify({ everswin, trainer: {} }) };
  return { ...mini, dependencies: { ...mini.dependencies, python: { ...python, env } } };
}

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

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

test('a training finishes in one attempt when nothing interrupts it', async () => {
  run = await createMiniRun();
  const attempt = await start(run, 1);
  expect(attempt).toMatchObject({
    outcome: 'finished',
    adopted: false,
    resumedFrom: null,
    fromIteration: 0,
    toIteration: 30,
    epoch: 3,
    checkpoints: [30, 20, 10],
    checkpointIteration: 30,
    quarantined: [],
    failure: null,
  });
  const { startedAt, firstStepAt, trainerEndedAt, endedAt, steppingSeconds, productiveSeconds } = attempt;
  expect([startedAt, firstStepAt, trainerEndedAt, endedAt]).toEqual(
    [startedAt, firstStepAt, trainerEndedAt, endedAt].sort((a, b) => (a ?? 0) - (b ?? 0)),
  );
  expect(steppingSeconds).toBeGreaterThan(0.3);
  expect(productiveSeconds).toBe(steppingSeconds);
});

describe('a crashed attempt', () => {
  test('names the signal, and the next attempt resumes to the same weights', async () => {
    run = await createMiniRun('--kill-at-step', '15', '--fault-attempt', '1');
    const crashed = await start(run, 1);
    expect(crashed).toMatchObject({
      outcome: 'crashed',
      toIteration: 14,
      checkpointIteration: 10,
      checkpoints: [10],
      failure: { class: 'killed', reaction: 'retry' },
    });
    expect(crashed.cause).toContain('SIGKILL');
    const resumed = await start(run, 2);
    expect(resumed).toMatchObject({
      outcome: 'finished',
      resumedFrom: 'e001-i000010.pth',
      fromIteration: 10,
      toIteration: 30,
    });
    expect(resumed.steppingSeconds).toBeGreaterThan(resumed.productiveSeconds);

    const uninterrupted = await createMiniRun();
    await start(uninterrupted, 1);
    const weights = await finalWeights(uninterrupted);
    await uninterrupted.remove();
    expect(await finalWeights(run)).toBe(weights);
  });

  test('reports its cause and the end of the log, and saves that end', async () => {
    run = await createMiniRun('--fail-at-step', '3', '--fail-message', 'the disk is on fire');
    const { outcome, cause, logTail, failure } = await start(run, 1);
    expect(outcome).toBe('crashed');
    expect(cause).toContain('the disk is on fire');
    expect(logTail.length).toBeGreaterThan(0);
    expect(failure).toMatchObject({ class: 'unknown', reaction: 'retry' });
    const kept = `${run.folder.train.failures}/attempt-1.log`;
    expect(cause).toContain(`Log: ${kept}`);
    expect(await readFile(kept, 'utf8')).toContain('the disk is on fire');
  });

  test.each([
    ['OSError: [Errno 28] No space left on device', 'disk-full'],
    ['training diverged: the loss was not finite', 'unknown'], // RuntimeError, not the trainer's FloatingPointError
    ['CUDA error: device-side assert triggered', 'device-assert'],
  ])('with "%s" has the failure class %s', async (message, name) => {
    run = await createMiniRun('--fail-at-step', '3', '--fail-message', message);
    expect((await start(run, 1)).failure?.class).toBe(name);
  });

  test('is classified by its own log, not by that of an earlier attempt', async () => {
    run = await createMiniRun('--fail-at-step', '3', '--fail-message', 'NVML: GPU is lost', '--fault-attempt', '1');
    expect((await start(run, 1)).failure?.class).toBe('gpu-lost');
    run.dependencies.programs.train = () => ['-c', 'raise SystemExit(3)'];
    expect(await start(run, 2)).toMatchObject({
      failure: { class: 'unknown' },
      fromIteration: null,
      toIteration: null,
    });
  });

  test('is classified by the log of another rank', async () => {
    run = await createMiniRun('--kill-at-step', '3');
    const { rankLogs } = run.folder.train;
    await mkdir(rankLogs, { recursive: true });
    await writeFile(`${rankLogs}/1-rank-2.log`, 'rank 2, pid 7, host here\nNVML: GPU is lost\n');
    const { failure, cause } = await start(run, 1);
    expect(failure).toMatchObject({ class: 'gpu-lost', evidence: '[rank 2] NVML: GPU is lost' });
    const savedLog = await readFile(/Log: (.*)/.exec(cause ?? '')?.[1] ?? '', 'utf8');
    expect(savedLog).toContain('[rank 2] NVML');
    expect(savedLog).not.toContain('[host ');
  });

  test('is reported when its supervisor is killed', async () => {
    run = await createMiniRun('--step-seconds', '1');
    const outcome = start(run, 1);
    process.kill((await liveTrainer(run)).pid, 'SIGKILL');
    expect(await outcome).toMatchObject({
      outcome: 'crashed',
      failure: { class: 'supervisor-killed' },
      trainerEndedAt: null,
    });
  });

  test('names other processes on the GPU when it ran out of memory', async () => {
    run = await createMiniRun('--fail-at-step', '3', '--fail-message', 'CUDA out of memory. Tried to allocate 2 GiB');
    const { home, python } = run.dependencies;
    await writeFile(`${home}/nvidia-smi`, '#!/bin/sh\necho "4711, ollama, 9000"\n', { mode: 0o755 });
    python.env['PATH'] = `${home}:/usr/bin:/bin`;
    const { failure, cause } = await start(run, 1);
    expect(failure?.reaction).toBe('accumulate-gradients');
    expect(cause).toContain('Also on the GPU: ollama (pid 4711, 9000 MiB).');
  });
});

test('a hanging trainer is stopped and reported as hung', async () => {
  run = await createMiniRun('--hang-at-step', '3');
  const { recovery } = miniPlan;
  const plan = { ...miniPlan, recovery: { ...recovery, stallSeconds: { ...recovery.stallSeconds, step: 1 } } };
  const attempt = await start(run, 1, { plan });
  expect(attempt).toMatchObject({ outcome: 'hung', failure: { class: 'hung', reaction: 'retry' } });
  expect(attempt.cause).toContain('step');
});

describe('a resumed training', () => {
  test('skips and quarantines a damaged newest checkpoint', async () => {
    run = await createMiniRun('--kill-at-step', '25', '--fault-attempt', '1');
    await start(run, 1);
    await writeFile(`${run.folder.train.checkpoints}/e002-i000020.pth`, 'torn');
    const resumed = await start(run, 2);
    expect(resumed).toMatchObject({ outcome: 'finished', resumedFrom: 'e001-i000010.pth' });
    expect(resumed.quarantined).toMatchObject([{ file: 'e002-i000020.pth' }]);
    expect(await readdir(run.folder.train.quarantine)).toContain('e002-i000020.pth');
  });

  test('resumes before the divergence with the requested control values when it rolls back', async () => {
    run = await createMiniRun('--fail-at-step', '25', '--fault-attempt', '1');
    await start(run, 1);
    const rollback = { toIteration: 10, fence: 1, why: 'diverged at iteration 25' };
    const control = { ...miniControl, learningRateFactor: 0.5 };
    const resumed = await start(run, 2, { rollback, control });
    expect(resumed).toMatchObject({ outcome: 'finished', fromIteration: 10, quarantined: [{ why: rollback.why }] });
    expect(TrainerControl.parse(JSON.parse(await readFile(run.folder.train.control, 'utf8')))).toEqual(control);
    const again = await start(run, 3, { rollback, control });
    expect(again).toMatchObject({ fromIteration: 30, quarantined: [] });
  });

  test('fails with the changed field when all checkpoints belong to another plan', async () => {
    run = await createMiniRun();
    await start(run, 1);
    const plan = { ...miniPlan, planHash: 'f'.repeat(64), seed: 8 };
    const outcome = await start(run, 2, { plan }).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ type: 'PlanChanged', nonRetryable: true });
    expect((outcome as Error).message).toContain('seed changed from 7 to 8');
  });

  test('resumes at the end of an epoch when the change of plan is allowed', async () => {
    run = await createMiniRun('--kill-at-step', '25', '--fault-attempt', '1');
    await start(run, 1);
    const recovery = { ...miniPlan.recovery, mayChange: ['epochs' as const] };
    const plan = { ...miniPlan, planHash: 'f'.repeat(64), epochs: 4, recovery };
    const control = { ...miniControl, epochs: 4 };
    const resumed = await start(run, 2, { plan, control });
    expect(resumed).toMatchObject({ outcome: 'finished', resumedFrom: 'e002-i000020.pth', toIteration: 40, epoch: 4 });
  });
});

describe('a running trainer', () => {
  test('is adopted by a second attempt, which makes the first one stale', async () => {
    run = await createMiniRun('--step-seconds', '0.4'); // long enough for the second attempt to start
    const first = start(withCode(run, '0.2.0'), 1);
    const outcome = first.catch((error: unknown) => error);
    const owner = await liveTrainer(run);
    const second = await start(withCode(run, '0.3.0'), 2);
    expect(await outcome).toMatchObject({ type: 'StaleAttempt' });
    // The worker is new, and its trainer is not.
    expect(second.code).toEqual({ everswin: '0.2.0', trainer: {} });
    expect(second).toMatchObject({ outcome: 'finished', adopted: true, toIteration: 30 });
    const starts = (await readProgress(run.folder.train.progress)).filter(({ type }) => type === 'started');
    expect(starts).toHaveLength(1);
    // The supervisor exits shortly after it has written exit.json.
    await until(async () => ((await isAlive(owner)) ? undefined : true));
  });

  test('is stopped, not adopted, when the run was started again with another plan', async () => {
    run = await createMiniRun('--step-seconds', '0.2');
    const first = start(run, 1);
    await liveTrainer(run);
    const second = start(run, 2, { plan: { ...miniPlan, planHash: 'e'.repeat(64), seed: 8 } });
    await expect(first).rejects.toMatchObject({ type: 'StaleAttempt' });
    await expect(second).rejects.toMatchObject({ type: 'PlanChanged' });
    expect(await findLiveJob(run.folder.train)).toBeUndefined();
  });

  test('has a watcher file while it is watched', async () => {
    run = await createMiniRun('--step-seconds', '0.3');
    const { watcher } = run.folder.train;
    const outcome = start(run, 1);
    await liveTrainer(run);
    const { pid, taskToken } = Watcher.parse(JSON.parse(await readFile(watcher, 'utf8')));
    expect(pid).toBe(process.pid);
    expect(Buffer.from(taskToken, 'base64').toString()).not.toBe('');
    await outcome;
    expect(await exists(watcher)).toBe(false);
  });

  test('receives control values of the workflow while it runs, and signals their effect', async () => {
    run = await createMiniRun('--step-seconds', '0.4', '--steps-per-epoch', '15');
    const { control } = run.folder.train;
    let answer: unknown = 'no control values yet';
    const signals: Progress[] = [];
    const signal = (_name: string, details: unknown) => void signals.push(Progress.parse(details));
    const environment = mockEnvironment(clientOf({ query: () => answer, signal }));
    const outcome = start(run, 1, {}, environment);
    await liveTrainer(run);
    answer = { ...miniControl, epochs: 2, checkpointNow: 1 };
    await until(async () => (await readFile(control, 'utf8')).includes('"checkpointNow":1') || undefined);
    const attempt = await outcome;
    expect(attempt).toMatchObject({ outcome: 'finished', toIteration: 30, epoch: 2 });
    expect(attempt.checkpoints.length).toBeGreaterThan(2);
    expect(signals.at(-1)).toMatchObject({ checkpointNow: 1, epochs: 2 });
    expect(signals.find(({ checkpointNow }) => checkpointNow === 1)?.iteration).toBeLessThan(15);
  });

  test('continues while the workflow does not answer queries', async () => {
    run = await createMiniRun('--step-seconds', '0.1');
    const query = () => {
      throw new Error('the workflow worker is down');
    };
    const environment = mockEnvironment(clientOf({ query, signal: () => undefined }));
    expect(await start(run, 1, {}, environment)).toMatchObject({ outcome: 'finished', toIteration: 30 });
  });
});

describe('a canceled attempt', () => {
  const cancelAttempt = async (mini: MiniRun, details: ActivityCancellationDetails) => {
    const environment = mockEnvironment();
    const outcome = start(mini, 1, {}, environment).catch((error: unknown) => error);
    const owner = await liveTrainer(mini);
    environment.cancel('CANCELLED', details);
    const ended = await outcome;
    // The supervisor exits shortly after it has written exit.json.
    await until(async () => ((await isAlive(owner)) ? undefined : true));
    expect((await readProgress(mini.folder.train.progress)).at(-1)).toMatchObject({
      type: 'ended',
      reason: 'preempted',
    });
    return ended;
  };

  test('reports the saved checkpoint when the workflow requested the cancellation', async () => {
    run = await createMiniRun('--step-seconds', '0.5');
    const attempt = await cancelAttempt(run, new ActivityCancellationDetails({ cancelRequested: true }));
    expect(attempt).toMatchObject({ outcome: 'preempted', failure: null });
    const { checkpoints, toIteration } = attempt as Attempt; // the outcome was asserted above
    expect(checkpoints[0]).toBe(toIteration);
    expect(await exists(run.folder.train.watcher)).toBe(false);
  });

  test('leaves its trainer to the next attempt when the activity was reset', async () => {
    run = await createMiniRun('--step-seconds', '0.2');
    const environment = mockEnvironment();
    const attempt = start(run, 1, {}, environment);
    const owner = await liveTrainer(run);
    environment.cancel('RESET', new ActivityCancellationDetails({ reset: true }));
    await expect(attempt).rejects.toMatchObject({ type: 'StaleAttempt', details: [{ watched: { fence: 1 } }] });
    expect(await isAlive(owner)).toBe(true);
  });

  test('saves into the artifact store when its worker drains', async () => {
    run = await createMiniRun('--step-seconds', '0.4');
    const { home } = run.dependencies;
    const address = pathToFileURL(`${home}/mirrored`).href;
    const store = openStore(address, { home, s3: run.dependencies.s3Server });
    const environment = mockEnvironment();
    const mini = { ...run, dependencies: { ...run.dependencies, drains: true, openStore: () => store } };
    const plan = { ...miniPlan, input: { ...miniPlan.input, artifacts: { store: address } } };
    const attempt = start(mini, 1, { plan }, environment);
    await liveTrainer(run);
    environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }));
    const { outcome, toIteration } = await attempt;
    expect(outcome).toBe('preempted');
    const found = await readRunPointer(store, plan.runId);
    expect(found?.pointer.checkpoints).toMatchObject([{ iteration: toIteration }]);
  });

  test('throws CancelledFailure when the activity was paused', async () => {
    run = await createMiniRun('--step-seconds', '0.5');
    const outcome = await cancelAttempt(run, new ActivityCancellationDetails({ paused: true }));
    expect(outcome).toBeInstanceOf(CancelledFailure);
  });
});

test('the heartbeat carries the progress of the training', async () => {
  run = await createMiniRun('--step-seconds', '0.1');
  const environment = mockEnvironment();
  const beats: unknown[] = [];
  environment.on('heartbeat', (details: unknown) => beats.push(details));
  await start(run, 1, {}, environment);
  expect(beats.at(-1)).toMatchObject({ v: 1, attempt: 1, epochs: 3 });
  expect(beats.length).toBeGreaterThan(1);
});

test('a training fails with the install command when the Python environment is missing', async () => {
  run = await createMiniRun();
  run.dependencies.python.executable = '/nowhere/python';
  await expect(start(run, 1)).rejects.toThrow(/Could not start \/nowhere\/python.*\nNext: .*everswin up/);
});

const isRoot = process.getuid?.() === 0;
test.skipIf(!isRoot)('a full disk is reported before and after the trainer has started', async () => {
  run = await createMiniRun('--checkpoint-bytes', '4000000');
  const { home } = run.dependencies;
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=11m', 'tmpfs', home]);
  try {
    const full = await start(run, 1, {}, mockEnvironment());
    expect(full).toMatchObject({ outcome: 'crashed', failure: { class: 'disk-full', reaction: 'wait-for-space' } });
    expect(full.checkpointIteration).toBe(20);
    await writeFile(`${home}/ballast`, Buffer.alloc(16 * 1024 * 1024)).catch(() => undefined);
    const unstarted = await start(run, 2);
    expect(unstarted).toMatchObject({
      outcome: 'crashed',
      fromIteration: null,
      checkpoints: [20, 10],
      failure: { class: 'disk-full' },
    });
    expect(unstarted.steppingSeconds).toBe(full.steppingSeconds);
  } finally {
    await execa('umount', [home]);
  }
});

test.each([
  ['kill -9 $$', 'supervisor-killed', 'SIGKILL'],
  ['echo "OSError: [Errno 28] No space left on device" >&2; exit 1', 'disk-full', 'code 1'],
])('a supervisor that dies at startup (%s) is reported as %s', async (script, name, how) => {
  run = await createMiniRun();
  const executable = `${run.dependencies.home}/python`;
  await writeFile(executable, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const python = { ...run.dependencies.python, executable };
  const attempt = await start({ ...run, dependencies: { ...run.dependencies, python } }, 1);
  expect(attempt).toMatchObject({ outcome: 'crashed', fromIteration: null, failure: { class: name } });
  expect(attempt.cause).toContain(how);
});
