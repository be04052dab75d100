import '../../helpers/quiet-runtime.ts';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { Context } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { reportLostWatchers, type ReportingClient } from '../../../activities/train/report-lost-watchers.ts';
import { processStartTicks } from '../../../activities/shared/trainer/process-identity.ts';
import { Watcher } from '../../../activities/shared/trainer/watcher-file.ts';
import { runFolder } from '../../../configs/paths.ts';
import { LastDetails } from '../../../configs/schema/index.ts';
import { startedEvent, stepEvent } from '../../fixtures/sample-report.ts';
import { projectRoot } from '../../helpers/project.ts';
import { until } from '../../helpers/until.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-watchers-`);
});
afterEach(() => rm(home, { recursive: true, force: true }));

const deadPid = () => spawnSync('true').pid;

async function writeWatcher(job: 'train' | 'test', over: Partial<Watcher>): Promise<void> {
  const folder = runFolder(home, 'mini')[job];
  await mkdir(folder.dir, { recursive: true });
  const taskToken = Buffer.from(`task of ${job}`).toString('base64');
  const task = { v: 1, taskToken, workflowId: 'train:mini', activityId: '3' };
  await writeFile(
    folder.watcher,
    JSON.stringify({ ...task, pid: deadPid(), startTicks: 1, host: hostname(), ...over }),
  );
}

async function report(answer: () => Promise<void> = () => Promise.resolve()) {
  const failures: string[] = [];
  const fail = (token: Uint8Array, failure: unknown) => {
    const { type, nonRetryable, message } = failure as ApplicationFailure; // as it was made
    failures.push(`${Buffer.from(token).toString()}: ${type} ${nonRetryable} ${message.replaceAll(/\d+/g, 'N')}`);
    return answer();
  };
  await reportLostWatchers(home, { activity: { fail } } as unknown as ReportingClient);
  return failures;
}

const watcherFiles = async () =>
  (await readdir(home, { recursive: true })).filter((name) => name.endsWith('watcher.json')).sort();

test('reportLostWatchers reports nothing without any run', async () => {
  expect(await report()).toEqual([]);
});

test('each task of a killed worker fails once, as retryable', async () => {
  await writeWatcher('train', {});
  await writeWatcher('test', {});
  const host = hostname().replaceAll(/\d+/g, 'N');
  expect(await report()).toEqual([
    `task of train: WorkerLost false Worker lost: process N on ${host}, which watched this job, was killed.`,
    `task of test: WorkerLost false Worker lost: process N on ${host}, which watched this job, was killed.`,
  ]);
  expect(await watcherFiles()).toEqual([]);
  expect(await report()).toEqual([]);
});

test('a run whose folder cannot be read does not keep the tasks of other runs from being reported', async () => {
  await mkdir(runFolder(home, 'broken').train.watcher, { recursive: true });
  await writeWatcher('train', {});
  await expect(report()).rejects.toThrow('run broken: Error: EISDIR');
  expect(await watcherFiles()).toEqual(['runs/broken/train/watcher.json']);
});

test('a killed worker is reported with the steps of its trainer, and whether that was stopped', async () => {
  await writeWatcher('train', {});
  const { train } = runFolder(home, 'mini');
  const owner = { pid: deadPid(), startTicks: 1, host: 'gpu-a', logOffset: 0, gpus: [] };
  await writeFile(train.owner, JSON.stringify({ v: 1, ...owner, attempt: 1, fence: 1, startedAt: 1 }));
  const events = [startedEvent({ iteration: 10, epoch: 1 }), stepEvent({ iteration: 14, epoch: 2 })];
  await writeFile(train.progress, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  await mkdir(train.fences);
  await writeFile(`${train.fences}/2`, ''); // the killed worker had adopted the trainer
  const exit = { code: null, signal: 'SIGTERM', stopRequested: true, rootCause: null, startedAt: 1, endedAt: 9 };
  const reported: ApplicationFailure[] = [];
  const activity = { fail: (_token: unknown, failure: ApplicationFailure) => Promise.resolve(reported.push(failure)) };
  const client = { activity } as unknown as ReportingClient;
  await reportLostWatchers(home, client);
  await writeWatcher('train', {});
  await writeFile(train.exit, JSON.stringify({ v: 1, ...exit, attempt: 1, fence: 1, reason: 'preempted' }));
  await reportLostWatchers(home, client);
  const watched = {
    fence: 2,
    adopted: true,
    host: 'gpu-a',
    fromIteration: 10,
    toIteration: 14,
    fromEpoch: 1,
    epoch: 1,
  };
  expect(reported.map(({ details }) => details)).toMatchObject([
    [{ watched }],
    [{ watched, outcome: 'preempted', trainerEndedAt: 9 }],
  ]);
  expect(reported.map(({ details }) => LastDetails.safeParse(details?.[0]).success)).toEqual([true, true]);
});

test('workers that are alive or on another machine are not reported', async () => {
  await writeWatcher('train', { pid: process.pid, startTicks: (await processStartTicks(process.pid)) ?? 0 });
  await writeWatcher('test', { host: 'elsewhere' });
  expect(await report()).toEqual([]);
  expect(await watcherFiles()).toHaveLength(2);
});

test('a worker is reported when another process reuses its pid', async () => {
  await writeWatcher('train', { pid: process.pid, startTicks: 1 });
  expect(await report()).toHaveLength(1);
});

test('the watcher file is removed when the server has timed the task out', async () => {
  await writeWatcher('train', {});
  const notFound = Object.assign(new Error('not found'), { name: 'ActivityNotFoundError' });
  expect(await report(() => Promise.reject(notFound))).toHaveLength(1);
  expect(await watcherFiles()).toEqual([]);
});

test('the watcher file is kept when the server is unreachable', async () => {
  await writeWatcher('train', {});
  await expect(report(() => Promise.reject(new Error('unavailable')))).rejects.toThrow('unavailable');
  expect(await watcherFiles()).toHaveLength(1);
});

test('a torn watcher file is ignored', async () => {
  await writeWatcher('train', {});
  await writeFile(runFolder(home, 'mini').train.watcher, '{"v":1,"taskTok');
  expect(await report()).toEqual([]);
});

test('a real server retries the task at once, and a second report is ignored', async () => {
  const taskQueue = 'lost-watchers';
  const connection = await NativeConnection.connect({ address: temporalAddress() });
  const client = new Client({ connection });
  const released = new AbortController();
  const watch = async () => {
    const { attempt, base64TaskToken: taskToken } = Context.current().info;
    if (attempt === 2) return Date.now() - reportedAt;
    await writeWatcher('test', { taskToken });
    await once(released.signal, 'abort');
    throw new Error('the first attempt reports late');
  };
  let reportedAt = 0;
  const workflowsPath = `${projectRoot}/test/fixtures/watched-workflow.ts`;
  const worker = await Worker.create({ connection, taskQueue, activities: { watch }, workflowsPath });
  await worker.runUntil(async () => {
    const handle = await client.workflow.start('watched', { taskQueue, workflowId: 'lost-watchers' });
    const token = await until(async () => ((await watcherFiles()).length > 0 ? readToken() : undefined));
    reportedAt = Date.now();
    await reportLostWatchers(home, client);
    // The heartbeat timeout is 50 s.
    expect(await handle.result()).toBeLessThan(30_000);

    await writeWatcher('train', { taskToken: token });
    await reportLostWatchers(home, client);
    expect(await watcherFiles()).toEqual([]);
    released.abort();
  });
  await connection.close();
});

const readToken = async () =>
  Watcher.parse(JSON.parse(await readFile(runFolder(home, 'mini').test.watcher, 'utf8'))).taskToken;
