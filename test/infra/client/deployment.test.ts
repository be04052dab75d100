import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deploymentPattern } from '../../../configs/names.ts';
import { connect } from '../../../workers/connect.ts';
import { projectRoot } from '../../helpers/project.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';
import { until } from '../../helpers/until.ts';

const address = temporalAddress();
const teams = ['team-a', 'team-b'] as const;
let home: string;
const workers: ChildProcess[] = [];

const environment = (deployment: string) => ({
  EVERSWIN_DEPLOYMENT: deployment,
  EVERSWIN_HOME: `${home}/${deployment}`,
  TEMPORAL_ADDRESS: address,
});

const everswin = (deployment: string, ...argv: string[]) =>
  execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, ...argv], {
    env: environment(deployment),
    reject: false,
  });

beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-teams-`);
});

afterAll(async () => {
  for (const worker of workers) {
    const exited = once(worker, 'exit');
    worker.kill('SIGKILL');
    await exited;
  }
  await rm(home, { recursive: true });
});

test('two deployments share a namespace: each command and worker finds its own runs only', async () => {
  for (const team of teams)
    workers.push(
      spawn(process.execPath, [`${projectRoot}/infra/cli/main.ts`, 'worker', 'control'], {
        env: { ...process.env, ...environment(team) },
        stdio: 'ignore',
      }),
    );
  const input = `${home}/same-name.json`;
  const demo: unknown = JSON.parse(await readFile(`${projectRoot}/configs/runs/demo.json`, 'utf8'));
  await writeFile(input, JSON.stringify({ ...(demo as object), name: 'same-name' }));
  const { workflowService, workflow, connection } = await connect({ address, namespace: 'default' });
  for (const team of teams) {
    const started = await everswin(team, 'start', input, '--no-wait');
    expect([started.exitCode, started.stderr]).toEqual([0, expect.stringContaining(`deployment ${team}`)]);
    expect(started.stdout).toContain(`Started ${team}:train:same-name.`);
  }
  // A control worker of the same deployment runs the workflow, so it answers.
  for (const team of teams)
    await until(async () => (await everswin(team, 'status', 'same-name')).stdout.startsWith('same-name') || undefined);
  // Its activities use the queues of the deployment.
  const { events } = await workflow.getHandle('team-a:train:same-name').fetchHistory();
  const queues = (events ?? []).flatMap(
    ({ activityTaskScheduledEventAttributes: activity }) => activity?.taskQueue?.name ?? [],
  );
  expect(queues.every((queue) => /^team-a(-gpu)?$/.test(queue))).toBe(true);
  expect(queues).not.toEqual([]);
  const { pollers } = await workflowService.describeTaskQueue({ namespace: 'default', taskQueue: { name: 'team-a' } });
  expect(pollers.map(({ identity }) => identity)).toEqual([
    expect.stringMatching(new RegExp(`^control@${hostname()}:${workers[0]?.pid} everswin \\d+\\.\\d+\\.\\d+$`)),
  ]);
  const listed = async () => (await everswin('team-a', 'status')).stdout.match(/^same-name /gm) ?? [];
  await until(async () => (await listed()).length > 0 || undefined);
  expect(await listed()).toHaveLength(1);
  expect((await everswin('team-a', 'status', 'train:same-name')).exitCode).toBe(0);
  const cancelled = await everswin('team-a', 'cancel', 'team-a:train:same-name');
  expect(cancelled.exitCode).toBe(0);
  expect((await workflow.getHandle('team-b:train:same-name').describe()).status.name).toBe('RUNNING');
  await workflow.getHandle('team-b:train:same-name').terminate();
  await connection.close();
});

test('a command of a third deployment does not find the run', async () => {
  const { stderr } = await everswin('team-c', 'status', 'same-name');
  expect(stderr).toContain('Run same-name does not exist.');
});

test.each(['Team', 'team_a', 'gpu', 'a-gpu', 'train', 'a:b', '-a', ''])('the name %j is not valid', (name) => {
  expect(deploymentPattern.test(name)).toBe(false);
});
