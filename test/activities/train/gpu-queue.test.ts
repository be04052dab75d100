import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { ActivityCancellationDetails } from '@temporalio/common';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { readGpuLeases } from '../../../activities/shared/trainer/gpu-leases.ts';
import { listDescendants } from '../../../activities/shared/trainer/process-descendants.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { waitingSignalName } from '../../../configs/names.ts';
import { TrainerOwner, type Attempt } from '../../../configs/schema/index.ts';
import { createFakeGpus, gpuUuid, type FakeGpus } from '../../helpers/fake-gpus.ts';
import { killAll } from '../../helpers/kill-all.ts';
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

const { username } = userInfo();

let root: string;
let gpus: FakeGpus;
let runs: MiniRun[];
beforeEach(async () => {
  root = await mkdtemp(`${tmpdir()}/everswin-gpus-`);
  gpus = await createFakeGpus(root, 2);
  runs = [];
});
afterEach(async () => {
  for (const run of runs) await run.remove();
  // A process that waited for the GPUs may write its last file while the folder is removed.
  await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

async function addRun(...switches: string[]): Promise<MiniRun> {
  const run = await createMiniRun(...switches);
  const equipped = { ...run, dependencies: gpus.equip(run.dependencies) };
  runs.push(equipped);
  return equipped;
}

interface Training {
  outcome: Promise<Attempt>;
  environment: ReturnType<typeof mockEnvironment>;
  /** Wait signals that the workflow received. */
  signals: unknown[];
  /** Details of each heartbeat. */
  beats: unknown[];
}

function train(run: MiniRun, count: number, over: { attempt?: number; since?: number } = {}): Training {
  const signals: unknown[] = [];
  const beats: unknown[] = [];
  const signal = (name: string, text: unknown) => name === waitingSignalName && signals.push(text);
  const environment = mockEnvironment(clientOf({ query: () => miniControl, signal }));
  environment.on('heartbeat', (details: unknown) => beats.push(details));
  const { runTraining } = createGpuActivities(run.dependencies);
  const plan = { ...miniPlan, gpus: count };
  const request = {
    plan,
    dataset: miniDataset,
    weights: miniWeights,
    attempt: 1,
    control: miniControl,
    rollback: null,
  };
  const outcome: Promise<Attempt> = environment.run(runTraining, { ...request, since: 0, ...over });
  outcome.catch(() => undefined);
  return { outcome, environment, signals, beats };
}

const owner = async ({ folder }: MiniRun): Promise<TrainerOwner> =>
  TrainerOwner.parse(JSON.parse(await readFile(folder.train.owner, 'utf8')));

const stepping = (run: MiniRun) =>
  until(async () =>
    (await readProgress(run.folder.train.progress)).some(({ type }) => type === 'step') ? true : undefined,
  );

test('a training waits, and names the run ahead, when another one holds all GPUs', async () => {
  const [first, second] = [await addRun('--step-seconds', '0.2'), await addRun()];
  const holder = train(first, 2);
  await stepping(first);
  const waiter = train(second, 2);
  await until(() => Promise.resolve(waiter.signals.length > 0 ? true : undefined));
  expect(waiter.signals[0]).toMatch(
    new RegExp(
      `^Waiting for 2 GPUs: position 1 in the queue; ${gpuUuid(0)}, ${gpuUuid(1)} held by run mini of user ${username} \\(pid \\d+\\)`,
    ),
  );
  expect(await findLiveJob(second.folder.train)).toBeUndefined();
  const { python, gpus: settings } = first.dependencies;
  const { holders, waiting } = await readGpuLeases(python, settings.folder, AbortSignal.timeout(30_000));
  expect(holders).toMatchObject([0, 1].map((index) => ({ gpu: gpuUuid(index), run: 'mini', user: username })));
  expect(waiting).toEqual([{ run: 'mini', user: username, gpus: 2 }]);
  const one = await holder.outcome;
  const other = await waiter.outcome;
  expect([one.outcome, other.outcome]).toEqual(['finished', 'finished']);
  expect(waiter.signals.at(-1)).toBeNull();
  expect(other.startedAt).toBeGreaterThanOrEqual(one.trainerEndedAt ?? Infinity); // time in the queue is not counted
  expect((await owner(second)).gpus).toEqual([gpuUuid(0), gpuUuid(1)]);
});

test('two trainings of one GPU each run at the same time on different GPUs', async () => {
  const [first, second] = [await addRun('--step-seconds', '0.2'), await addRun('--step-seconds', '0.2')];
  const both = [train(first, 1), train(second, 1)];
  await Promise.all([stepping(first), stepping(second)]);
  const used = [...(await owner(first)).gpus, ...(await owner(second)).gpus];
  expect(used.sort()).toEqual([gpuUuid(0), gpuUuid(1)]);
  const [one, other] = await Promise.all(both.map(({ outcome }) => outcome));
  expect([one?.outcome, other?.outcome]).toEqual(['finished', 'finished']);
  expect(one?.firstStepAt).toBeLessThan(other?.trainerEndedAt ?? 0);
  expect(other?.firstStepAt).toBeLessThan(one?.trainerEndedAt ?? 0);
});

test('a training waits, and names the process, when another program uses GPU memory', async () => {
  await gpus.use([3, 9000], [{ gpu_uuid: gpuUuid(1), pid: 4711, process_name: 'ollama' }]);
  const run = await addRun();
  const { outcome, signals, beats } = train(run, 2);
  const text = `Waiting for 2 GPUs: position 1 in the queue; ${gpuUuid(1)} is in use by ollama (pid 4711, 9000 MiB)`;
  await until(() => Promise.resolve(beats.includes(text) ? true : undefined));
  expect(signals).toEqual([text]);
  await gpus.use([3, 800]);
  expect((await outcome).outcome).toBe('finished');
});

test('a training fails as non-retryable when it requests more GPUs than the machine has', async () => {
  const { outcome } = train(await addRun(), 3);
  await expect(outcome).rejects.toMatchObject({ type: 'TrainingFailed', nonRetryable: true });
  await expect(outcome).rejects.toThrow(/3 GPUs requested, 2 available/);
});

test('a cancellation ends the wait for GPUs and reports a preempted attempt', async () => {
  const [first, second] = [await addRun('--step-seconds', '0.2'), await addRun()];
  train(first, 2);
  await stepping(first);
  const { outcome, environment, signals } = train(second, 2);
  await until(() => Promise.resolve(signals.length > 0 ? true : undefined));
  environment.cancel('CANCELLED', new ActivityCancellationDetails({ cancelRequested: true }));
  expect(await outcome).toMatchObject({ outcome: 'preempted', fromIteration: null });
});

test('an attempt leaves the queue when a newer attempt supersedes it', async () => {
  const [first, second] = [await addRun('--step-seconds', '0.4'), await addRun()];
  const holder = train(first, 2);
  await stepping(first);
  const stale = train(second, 2);
  await until(() => Promise.resolve(stale.signals.length > 0 ? true : undefined));
  const newer = train(second, 2, { attempt: 2 });
  await expect(stale.outcome).rejects.toMatchObject({ type: 'StaleAttempt' });
  process.kill((await owner(first)).pid, 'SIGTERM');
  expect((await holder.outcome).outcome).toBe('preempted');
  expect((await newer.outcome).outcome).toBe('finished');
});

test('the next training starts when all processes of the first are killed', async () => {
  const [first, second] = [await addRun('--step-seconds', '0.4'), await addRun()];
  const holder = train(first, 2);
  await stepping(first);
  const waiter = train(second, 2);
  await until(() => Promise.resolve(waiter.signals.length > 0 ? true : undefined));
  const { pid } = await owner(first);
  const tree = [pid, ...(await listDescendants(pid))];
  expect(tree.length).toBeGreaterThan(1);
  killAll(tree);
  const killedAt = Date.now() / 1000;
  await stepping(second);
  const started = (await readProgress(second.folder.train.progress)).find(({ type }) => type === 'started');
  // Shorter than any timeout that would also free the GPUs. test/bench/gpu-handover.ts measures the delay.
  expect((started?.t ?? Infinity) - killedAt).toBeLessThan(25);
  expect((await holder.outcome).outcome).toBe('crashed');
  await waiter.outcome;
});
