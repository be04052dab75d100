import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { connect } from '../../../workers/connect.ts';
import { explainSilence } from '../../../infra/client/explain-silence.ts';
import { findWorkflow } from '../../../infra/client/find-workflow.ts';
import { queryStatus } from '../../../infra/client/send-update.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { waitForResult } from '../../../infra/client/wait-for-result.ts';
import { formatLoad } from '../../../infra/terminal/format-load.ts';
import { projectRoot } from '../../helpers/project.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';
import { freshInput } from '../../helpers/workflow-env.ts';
import { until } from '../../helpers/until.ts';

const address = temporalAddress();
const client = await connect({ address, namespace: 'default' });
let home: string;
let worker: ChildProcess;

/** A control worker in its own process, so that it can be stopped. */
beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-silence-`);
  await copyFile(inject('workflowBundlePath'), `${home}/workflows.js`);
  const env = { ...process.env, TEMPORAL_ADDRESS: address, EVERSWIN_HOME: home };
  worker = spawn(process.execPath, [`${projectRoot}/test/bench/load-worker.ts`, '--role', 'control'], {
    env,
    stdio: 'ignore',
  });
});

afterAll(async () => {
  worker.kill('SIGKILL');
  await client.connection.close();
  await rm(home, { recursive: true, force: true });
});

test('queryStatus says that the control worker is stopped, and answers when it continues', async () => {
  const input = freshInput();
  const { handle } = await startRun(client, input);
  const workflow = await findWorkflow(client, input.name);
  await until(async () => queryStatus(client, workflow).catch(() => undefined));
  worker.kill('SIGSTOP');
  const stopped = `The control worker (pid ${worker.pid}) has not answered for 1 s: it is stopped. Continue it: kill -CONT ${worker.pid}`;
  await expect(queryStatus(client, workflow, { seconds: 1, tries: 1 })).rejects.toThrow(stopped);
  setTimeout(() => worker.kill('SIGCONT'), 1_500);
  expect(await queryStatus(client, workflow, { seconds: 1, tries: 30 })).toMatchObject({ runId: input.name });
  await handle.terminate();
});

test('waitForResult says once why the control worker does not answer, and waits', async () => {
  const { handle } = await startRun(client, freshInput());
  worker.kill('SIGSTOP');
  const lines: string[] = [];
  const following = { poll: () => Promise.resolve(false), log: (line: string) => lines.push(line), silenceMs: 600 };
  const result = waitForResult(handle, following);
  result.catch(() => undefined);
  await until(() => Promise.resolve(lines.length > 0 || undefined));
  worker.kill('SIGCONT');
  await handle.terminate();
  await expect(result).rejects.toThrow(WorkflowFailedError);
  const remedy = `it is stopped. Continue it: kill -CONT ${worker.pid} Waiting …`;
  expect(lines).toEqual([expect.stringMatching(new RegExp(`^The control worker .+: ${remedy}$`))]);
});

test('waitForResult does not count an outage of the server as silence of the worker', async () => {
  const { handle } = await startRun(client, freshInput());
  const describe = vi.spyOn(handle, 'describe').mockRejectedValueOnce(new Error('the server is down'));
  const lines: string[] = [];
  let polls = 0;
  // Unanswered after 0, 1, 2 and 3 s: the server is down at 2 s, and the worker answers 2 s later.
  const poll = () => Promise.resolve(++polls > 4);
  const result = waitForResult(handle, { poll, log: (line) => lines.push(line), silenceMs: 1_500 });
  result.catch(() => undefined);
  await until(() => Promise.resolve(polls > 4 || undefined));
  await handle.terminate();
  await expect(result).rejects.toThrow(WorkflowFailedError);
  expect(describe).toHaveBeenCalledOnce();
  expect(lines).toEqual([]);
});

test('explainSilence distinguishes a slow worker, a dead one and a queue without worker', async () => {
  const silence = (taskQueue: string) =>
    explainSilence({ handle: { client: client.workflow, workflowId: 'none' }, taskQueue, seconds: 10 });
  const slow = await silence('everswin');
  expect(slow).toMatchObject({ isRunning: true });
  expect(slow.message).toMatch(new RegExp(`^The control worker \\(pid ${worker.pid}\\) has not answered for 10 s`));
  expect(await silence('without-worker')).toMatchObject({ isRunning: false });
  const exited = once(worker, 'exit');
  worker.kill('SIGKILL');
  await exited;
  expect((await silence('everswin')).message).toMatch(
    /^No control worker answered within 10 s\. Start one: everswin up, or for a shared server: everswin worker control\./,
  );
});

test('formatLoad names the load only when programs wait for cores', () => {
  expect(formatLoad([35.24], 2)).toBe('this machine is overloaded (load 35.2 on 2 cores)');
  expect(formatLoad([3.9], 2)).toBeUndefined();
});
