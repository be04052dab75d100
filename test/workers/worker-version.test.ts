/** Worker Versioning on a real server, in a namespace of its own: a run moves to the current version, a pinned one stays. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { execa } from 'execa';
import { afterEach, expect, inject, test, vi } from 'vitest';
import { taskQueues, workflowId } from '../../configs/names.ts';
import { startRun } from '../../infra/client/start-run.ts';
import { connect, connectLazily } from '../../workers/connect.ts';
import { createNamespace, prepareNamespace } from '../../workers/prepare-namespace.ts';
import { formatVersion, readCurrentVersion, versioningOptions } from '../../workers/worker-version.ts';
import { pinnedTemporal, projectRoot } from '../helpers/project.ts';
import '../helpers/quiet-runtime.ts';
import { anAttempt, happyActivities, someMetrics, type StubbedActivities } from '../helpers/stub-activities.ts';
import { temporalAddress } from '../helpers/temporal-address.ts';
import { until } from '../helpers/until.ts';
import { freshInput } from '../helpers/workflow-env.ts';

const namespace = `versions-${randomUUID().slice(0, 8)}`;
const address = temporalAddress();
const server = { address, namespace };

afterEach(() => vi.unstubAllEnvs());

async function prepareOwnNamespace() {
  const { connection } = connectLazily(server);
  await createNamespace({ connection, namespace }, 3);
  await connection.close();
  const client = await until(() => connect(server).catch(() => undefined));
  await prepareNamespace({ connection: client.connection, namespace }, { retentionDays: undefined });
  return client;
}

/** Runs the command that a worker prints, until workers of the version poll all queues. */
const makeCurrent = (buildId: string) =>
  until(async () => {
    const [, argv = ''] =
      /temporal (worker .*)/.exec(formatVersion({ deploymentName: 'everswin', buildId }, undefined)) ?? [];
    const options = ['--address', address, '--namespace', namespace, '--yes'];
    const { failed } = await execa(pinnedTemporal, [...argv.split(' '), ...options], { reject: false });
    return failed ? undefined : true;
  });

/** Runs `everswin start --pinned`, which refuses the recipe of stubbed runs. */
async function startPinned(name: string) {
  const home = await mkdtemp(`${tmpdir()}/everswin-pinned-`);
  const demo = await readFile(`${projectRoot}/configs/runs/demo.json`, 'utf8');
  await writeFile(`${home}/run.json`, JSON.stringify({ ...(JSON.parse(demo) as object), name }));
  const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, EVERSWIN_HOME: home };
  const argv = ['start', `${home}/run.json`, '--pinned', '--no-wait'];
  const result = await execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, ...argv], { env, reject: false });
  await rm(home, { recursive: true });
  return result;
}

async function readVersion(handle: WorkflowHandle): Promise<string | null | undefined> {
  const { versioningInfo } = (await handle.describe()).raw.workflowExecutionInfo ?? {};
  return versioningInfo?.deploymentVersion?.buildId;
}

test('a run moves to the version that is made current, and a pinned run stays', async () => {
  const client = await prepareOwnNamespace();
  const connection = await NativeConnection.connect({ address });
  const trained: string[] = [];
  const tested: Record<string, string> = {};
  let mayEnd = false;
  const activitiesOf = (buildId: string): StubbedActivities => ({
    ...happyActivities,
    runTraining: async ({ plan, attempt }) => {
      trained.push(plan.runId);
      while (!mayEnd) {
        Context.current().heartbeat();
        await sleep(50);
      }
      return anAttempt({ attempt });
    },
    runTest: ({ plan }) => {
      tested[plan.runId] = buildId;
      return Promise.resolve(someMetrics);
    },
  });
  const startWorkers = async (buildId: string) => {
    vi.stubEnv('TEMPORAL_WORKER_BUILD_ID', buildId);
    const workers = await Promise.all(
      Object.values(taskQueues).map((taskQueue) =>
        Worker.create({
          connection,
          namespace,
          taskQueue,
          workflowBundle: { codePath: inject('workflowBundlePath') },
          activities: activitiesOf(buildId),
          ...versioningOptions(),
        }),
      ),
    );
    const running = Promise.all(workers.map((worker) => worker.run()));
    return async () => {
      for (const worker of workers) worker.shutdown();
      await running;
    };
  };

  expect(await readCurrentVersion(client)).toBeUndefined();
  expect((await startPinned('unpinned')).stderr).toContain('No version of the workers is current');
  const stopFirst = await startWorkers('1');
  await makeCurrent('1');
  const first = await readCurrentVersion(client);
  expect(first).toEqual({ deploymentName: 'everswin', buildId: '1' });
  const [moving, pinned] = [freshInput(), freshInput()];
  const { handle } = await startRun(client, moving);
  const started = await startPinned(pinned.name);
  expect([started.exitCode, started.stdout]).toEqual([0, expect.stringContaining('Started train:')]);
  const pinnedHandle = client.workflow.getHandle(workflowId(pinned.name));
  await until(() => Promise.resolve(trained.length === 2 || undefined));

  const stopSecond = await startWorkers('2');
  await makeCurrent('2');
  // The server spreads the change in the background. A workflow task after that moves the run.
  await until(async () => {
    await handle.signal('wake');
    return (await readVersion(handle)) === '2' || undefined;
  });
  mayEnd = true;
  await Promise.all([handle.result(), pinnedHandle.result()]);
  expect(tested).toEqual({ [moving.name]: '2', [pinned.name]: '1' });
  expect(await readVersion(pinnedHandle)).toBe('1');
  await Promise.all([stopFirst(), stopSecond()]);
  await connection.close();
  await client.connection.close();
});

test('formatVersion says whether a worker gets runs, and what makes its version current', () => {
  const version = { deploymentName: 'team-a', buildId: '0.3.1' };
  expect(formatVersion(version, version)).toBe('Version 0.3.1 of team-a is current.');
  expect(formatVersion(version, { ...version, buildId: '0.3.0' })).toContain('is not current (current: 0.3.0)');
});
