/** What a run tells, through the real activity to a real server that refuses everything the first time. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withCodedFailures } from '../../../activities/shared/temporal/failure.ts';
import { createNotify } from '../../../activities/notify/notify.ts';
import { sign } from '../../../activities/notify/webhook.ts';
import { Notification, type Attempt, type NotifyPolicy, type RunInput } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { startHookReceiver } from '../../fixtures/hook-receiver.ts';
import { createMiniRun } from '../../helpers/mini-run.ts';
import {
  aFailure,
  anAttempt,
  freshInput,
  signalProgress,
  withWorkers,
  type StubbedActivities,
} from '../../helpers/workflow-env.ts';

const secret = 'whsec-0123456789';
const run = await createMiniRun();
await run.remove();

let receiver: Awaited<ReturnType<typeof startHookReceiver>>;
/** As a receiver should: signed and new, or refused; what it has had already, dropped. */
let taken: Map<string, Notification>;
let refused: Set<string>;
beforeEach(async () => {
  taken = new Map();
  refused = new Set();
  receiver = await startHookReceiver(({ body, headers }) => {
    const [, time = '', signature] = /^t=(\d+),v1=(.+)$/.exec(String(headers['everswin-signature'])) ?? [];
    if (signature !== sign(secret, Number(time), body)) return [401];
    const notification = Notification.parse(JSON.parse(body));
    const isFirst = !refused.has(notification.id);
    refused.add(notification.id);
    taken.set(notification.id, notification);
    // It has it, and the answer gets lost: the next try is a repeat.
    return [isFirst ? 503 : 204];
  });
});
afterEach(() => receiver.close());

const nowhere = { to: [], from: undefined, ca: undefined };
const withReceiver = (activities: Partial<StubbedActivities>, body: Parameters<typeof withWorkers>[1]) => {
  const place = { url: `${receiver.url}/s3cret-path`, secret, ...nowhere };
  const dead = { url: 'http://127.0.0.1:9/s3cret-path', secret, ...nowhere };
  const notifyPlaces = new Map([
    ['OPS', place],
    ['DEAD', dead],
  ]);
  const { notify } = withCodedFailures({
    notify: createNotify({ ...run.dependencies, notificationTargets: notifyPlaces }),
  });
  return withWorkers({ ...activities, notify }, body);
};
const inputThatTells = (notify: NotifyPolicy): RunInput => ({ ...freshInput(), notify });
const everything: NotifyPolicy = [{ to: 'webhook', ref: 'OPS' }];

const endings: Partial<Attempt>[] = [
  { outcome: 'crashed', cause: 'Rank 0 ended with SIGKILL' },
  { outcome: 'crashed', fromIteration: 30, checkpointIteration: 60, failure: aFailure('rollback') },
  { outcome: 'finished' },
];
const runTraining: StubbedActivities['runTraining'] = async ({ attempt }) => {
  await signalProgress(attempt);
  return anAttempt({ attempt, ...endings[attempt - 1] });
};

test('start, stall, recovery, NaN and end are told in order, each once after repeats are dropped, and no address stands in the history', async () => {
  await withReceiver({ runTraining }, async (client) => {
    const input = inputThatTells([...everything, { to: 'slack', ref: 'NOBODY' }]);
    const { handle } = await startRun(client, input);
    await handle.result();
    const all = [...taken.values()].sort((a, b) => Number(a.id.split('/').at(-1)) - Number(b.id.split('/').at(-1)));
    expect(all.map(({ event }) => event)).toEqual(['started', 'stalled', 'recovered', 'diverged', 'recovered', 'done']);
    expect(receiver.hooks.length).toBe(2 * all.length);
    expect(all[1]?.text).toBe(
      'Attempt 1 crashed: Rank 0 ended with SIGKILL\nNext: retry, unknown after a new checkpoint: resumed at once, not counted.',
    );
    expect(all[3]?.text).toContain('back to iteration');
    expect(all[5]).toMatchObject({ name: input.name, workflowId: handle.workflowId });
    expect(all[5]?.text).toContain('Box AP 50.0, mask AP 50.0.');
    expect(JSON.stringify(await handle.fetchHistory())).not.toMatch(/s3cret-path|whsec/);
  });
});

test('who asked for some events is told of those; a run that fails says its code', async () => {
  const notify: NotifyPolicy = [{ to: 'webhook', ref: 'OPS', on: ['failed'] }];
  const stop = { name: 'GPUs', verdict: 'error', message: '9 wanted, 1 here', remedy: null } as const;
  await withReceiver({ checkPlan: () => Promise.resolve([stop]) }, async (client) => {
    const { handle } = await startRun(client, inputThatTells(notify));
    await expect(handle.result()).rejects.toThrow();
    const told = [...taken.values()].map(({ event, text }) => [event, text]);
    expect(told).toEqual([['failed', 'PlanStopped: - GPUs: 9 wanted, 1 here']]);
  });
});

test('a server that is away costs a run ten seconds at its end, and nothing else', async () => {
  await withReceiver({}, async (client) => {
    const before = performance.now();
    const { handle } = await startRun(client, inputThatTells([{ to: 'webhook', ref: 'DEAD' }]));
    expect(await handle.result()).toMatchObject({ bbox: { AP: 0.5 } });
    expect(performance.now() - before).toBeLessThan(25_000);
  });
});

test('a run that tells nobody has no trace of it in its history', async () => {
  await withReceiver({ runTraining }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result();
    expect(JSON.stringify(await handle.fetchHistory())).not.toContain('"notify"');
    expect(receiver.hooks).toEqual([]);
  });
});
