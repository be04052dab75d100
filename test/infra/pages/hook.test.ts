/** Hook in a separate process, connected to the real Temporal server of the test run. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Client, Connection } from '@temporalio/client';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { retrainId, taskQueues, workflowTypes } from '../../../configs/names.ts';
import { RetrainStatus, type RetrainInput } from '../../../configs/schema/index.ts';
import { applySchedule, formatSchedule } from '../../../infra/client/retrain-schedule.ts';
import { findFreePort } from '../../../infra/stack/free-port.ts';
import { createRetrainRequester } from '../../../infra/pages/request-retraining.ts';
import { startPartitionProxy, type PartitionProxy } from '../../fixtures/partition-proxy.ts';
import { projectRoot } from '../../helpers/project.ts';
import { createRetrainStubs, freshRetrainInput } from '../../helpers/retrain-stubs.ts';
import { until } from '../../helpers/until.ts';
import { withWorkers } from '../../helpers/workflow-env.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';

const token = 'the-token-of-this-test-and-of-no-other';
const noClock = { every: undefined, cron: undefined, timeZone: 'UTC' };

let proxy: PartitionProxy;
let hook: ChildProcess;
let url: string;
let client: Client;
/** Recent and complete output of the hook. */
let recentOutput = '';
let allOutput = '';

beforeAll(async () => {
  const address = temporalAddress();
  client = new Client({ connection: await Connection.connect({ address }) });
  proxy = await startPartitionProxy(address);
  hook = spawn(process.execPath, [`${projectRoot}/infra/pages/hook.ts`], {
    env: { ...process.env, EVERSWIN_HOOK_TOKEN: token, TEMPORAL_ADDRESS: proxy.address },
  });
  for (const stream of [hook.stdout, hook.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      recentOutput += text;
      allOutput += text;
    });
  url = await until(() => Promise.resolve(/^http:\S+/m.exec(recentOutput)?.[0]));
});

afterAll(async () => {
  const ended = once(hook, 'exit');
  hook.kill();
  await ended;
  await proxy.close();
  await client.connection.close();
  expect(allOutput).not.toContain(token);
});

/** @param change overrides of an authorized request. */
const post = (path: string, change: RequestInit = {}): Promise<Response> =>
  fetch(`${url}${path}`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, ...change });
const errorOf = async (response: Response): Promise<unknown> => ((await response.json()) as { error: unknown }).error;

/** Runs `body` with a model whose schedule has no time. */
async function withSchedule<T>(body: (input: RetrainInput) => Promise<T>): Promise<T> {
  const input = freshRetrainInput();
  await applySchedule(client, input, noClock);
  try {
    return await body(input);
  } finally {
    await client.schedule.getHandle(retrainId(input.model)).delete();
  }
}

describe('the hook with a valid token', () => {
  test('trains the model as its schedule defines and records who and why', async () => {
    const world = createRetrainStubs();
    await withWorkers(world.activities, () =>
      withSchedule(async ({ model }) => {
        const answer = await post(`/hooks/retrain/${model}`, { body: '{"who":"CI","why":"commit 1a2b3c"}' });
        expect([answer.status, await answer.json()]).toEqual([202, { workflowId: `retrain:${model}` }]);
        const status = RetrainStatus.parse(await client.workflow.getHandle(`retrain:${model}`).result());
        expect(status.decisions).toMatchObject([{ trains: true, triggers: [{ who: 'CI', why: 'commit 1a2b3c' }] }]);
        expect(status.outcomes).toMatchObject([{ outcome: 'promoted' }]);
      }),
    );
  });

  test('merges three concurrent requests into one training and records all', () =>
    withSchedule(async ({ model }) => {
      const world = createRetrainStubs();
      const bodies = ['{"who":"one"}', '{"who":"two"}', undefined];
      const answers = await Promise.all(bodies.map((body) => post(`/hooks/retrain/${model}`, body ? { body } : {})));
      expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
      // The workers start after the requests: a retraining that has ended does not see later ones.
      await withWorkers(world.activities, async () => {
        const status = RetrainStatus.parse(await client.workflow.getHandle(`retrain:${model}`).result());
        const triggers = status.decisions.flatMap((one) => one.triggers);
        expect(triggers.map(({ who }) => who).sort()).toEqual(['one', 'the hook', 'two']);
      });
      expect(world.trained).toHaveLength(1);
    }));

  test('explains how to create a missing schedule', async () => {
    const answer = await post('/hooks/retrain/unknown');
    expect(answer.status).toBe(404);
    expect(await errorOf(answer)).toContain('everswin schedule apply FILE');
  });

  test('refuses a paused schedule and explains how to resume it', () =>
    withSchedule(async ({ model }) => {
      await client.schedule.getHandle(`retrain:${model}`).pause('fixing the data');
      const answer = await post(`/hooks/retrain/${model}`);
      expect(answer.status).toBe(409);
      expect(await errorOf(answer)).toBe(
        `The schedule of ${model} is paused (fixing the data). Resume it: everswin schedule resume ${model}`,
      );
    }));

  test('refuses a schedule that does not retrain this model', async () => {
    const model = `other-${process.pid}`;
    const handle = await client.schedule.create({
      scheduleId: retrainId(model),
      spec: {},
      action: {
        type: 'startWorkflow',
        workflowType: workflowTypes.triggerRetrain,
        taskQueue: taskQueues.control,
        args: [freshRetrainInput()],
      },
    });
    const answer = await post(`/hooks/retrain/${model}`);
    await handle.delete();
    expect(answer.status).toBe(409);
    expect(await errorOf(answer)).toContain('everswin schedule apply FILE');
  });

  test.each([
    ['no JSON', 'who=me'],
    ['another field', '{"input":{"version":1}}'],
    ['a number', '{"who":1}'],
    ['a reason that is too long', JSON.stringify({ why: 'x'.repeat(501) })],
    ['a list', '[]'],
  ])('refuses a body with %s', async (_what, body) => {
    const answer = await post('/hooks/retrain/unknown', { body });
    expect([answer.status, await errorOf(answer)]).toEqual([
      400,
      expect.stringContaining('{"who": TEXT, "why": TEXT}'),
    ]);
  });

  test('refuses a body above the limit, with and without content-length', async () => {
    const huge = 'x'.repeat(4 * 1024 * 1024);
    expect((await post('/hooks/retrain/unknown', { body: huge })).status).toBe(413);
    const stream = new Blob([huge]).stream();
    const chunked = { body: stream, duplex: 'half' } as RequestInit; // fetch has the option, its type does not
    expect((await post('/hooks/retrain/unknown', chunked)).status).toBe(413);
  });

  test.each(['GET', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'])('refuses %s', async (method) => {
    const answer = await post('/hooks/retrain/unknown', { method });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test.each([
    '/',
    '/hooks/retrain/',
    '/hooks/retrain/..%2fx',
    '/hooks/retrain/UNKNOWN',
    '/hooks/retrain/unknown/',
    '/hooks/retrain/unknown?x=1',
    '/hooks/other/unknown',
    `/hooks/retrain/${'x'.repeat(30)}`,
  ])('returns 404 at %s', async (path) => {
    const answer = await post(path);
    expect([answer.status, await errorOf(answer)]).toEqual([404, 'Not found. The only path is /hooks/retrain/MODEL.']);
  });
});

test.each([
  ['no token', undefined],
  ['another token', `Bearer ${token.replace('t', 'T')}`],
  ['a prefix of the token', `Bearer ${token.slice(0, -1)}`],
  ['a longer token', `Bearer ${token}x`],
  ['the token as a password', `Basic ${btoa(`me:${token}`)}`],
  ['the token without a scheme', token],
  ['an empty token', 'Bearer '],
])('the hook rejects a request with %s', async (_what, authorization) => {
  await withSchedule(async ({ model }) => {
    const headers = new Headers(authorization === undefined ? {} : { authorization });
    for (const path of [`/hooks/retrain/${model}`, '/hooks/retrain/unknown', '/']) {
      const answer = await post(path, { headers });
      expect([answer.status, await errorOf(answer)]).toEqual([401, 'Expected the header Authorization: Bearer TOKEN.']);
      expect(answer.headers.get('www-authenticate')).toContain('Bearer realm="everswin"');
    }
    await expect(client.workflow.getHandle(`retrain:${model}`).describe()).rejects.toThrow('not found');
  });
});

test('the hook returns 503 during an outage and recovers', async () => {
  await withSchedule(async ({ model }) => {
    proxy.cut();
    const answer = await post(`/hooks/retrain/${model}`);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    proxy.heal();
    await until(async () => ((await post(`/hooks/retrain/${model}`)).status === 202 ? true : undefined));
    await client.workflow.getHandle(`retrain:${model}`).terminate();
  });
});

test('createRetrainRequester reports an unreachable server', async () => {
  const connection = Connection.lazy({ address: `127.0.0.1:${await findFreePort(0)}` });
  const trigger = { who: 'a test', why: 'to see' };
  expect(await createRetrainRequester(new Client({ connection }))('unknown', trigger)).toEqual({ how: 'away' });
  await connection.close();
});

test('the hook logs a line per request without its content', async () => {
  recentOutput = '';
  await post('/hooks/retrain/unknown', { body: '{"who":"kim","why":"\\u009b31m"}' });
  await until(() => Promise.resolve(recentOutput.endsWith('\n') ? true : undefined));
  expect(recentOutput).toMatch(/^\d{4}-\S+Z {2}unknown: no schedule\n$/);
});

test('formatSchedule shows a schedule without a time', async () => {
  await withSchedule(async ({ model }) => {
    const lines = await formatSchedule(client, model);
    expect(lines.slice(0, 2)).toEqual([`retrain:${model}: only when triggered`, '  next   –']);
    const clock = { every: '1h', cron: undefined, timeZone: 'UTC' };
    const [input] = [freshRetrainInput({ model })];
    expect(await applySchedule(client, input, clock)).toBe('changed');
    expect((await formatSchedule(client, model))[0]).toContain('every 60 min');
    expect(await applySchedule(client, input, noClock)).toBe('changed');
    expect((await formatSchedule(client, model))[0]).toBe(`retrain:${model}: only when triggered`);
  });
});

test('the hook names a wrong setting of Temporal when it starts', async () => {
  const env = { EVERSWIN_HOOK_TOKEN: token, TEMPORAL_ADDRESS: temporalAddress(), TEMPORAL_TLS: 'true' };
  const starting = execa(process.execPath, [`${projectRoot}/infra/pages/hook.ts`], { env, reject: false });
  await once(starting.stderr, 'data');
  starting.kill();
  expect((await starting).stderr).toContain('the client speaks TLS, the server does not. Set TEMPORAL_TLS=false.');
});
