/** Tests notifications with the real activity and a real server that rejects every first delivery. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withCodedFailures } from '../../../activities/shared/temporal/failure.ts';
import { createNotify } from '../../../activities/notify/notify.ts';
import { sign } from '../../../activities/notify/webhook.ts';
import { Notification, type Attempt, type NotifyPolicy, type RunInput } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { startHookReceiver } from '../../fixtures/hook-receiver.ts';
import { createMiniRun } from '../../helpers/mini-run.ts';
import { aFailure, anAttempt, signalProgress, type StubbedActivities } from '../../helpers/stub-activities.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

const secret = 'whsec-0123456789';
const run = await createMiniRun();
await run.remove();

let receiver: Awaited<ReturnType<typeof startHookReceiver>>;
/** Verified notifications by id, so duplicates are dropped. */
let received: Map<string, Notification>;
let seenIds: Set<string>;
beforeEach(async () => {
  received = new Map();
  seenIds = new Set();
  receiver = await startHookReceiver(({ body, headers }) => {
    const [, time = '', signature] = /^t=(\d+),v1=(.+)$/.exec(String(headers['everswin-signature'])) ?? [];
    if (signature !== sign(secret, Number(time), body)) return [401];
    const notification = Notification.parse(JSON.parse(body));
    const isFirst = !seenIds.has(notification.id);
    seenIds.add(notification.id);
    received.set(notification.id, notification);
    // Simulates a lost answer, so the next delivery is a duplicate.
    return [isFirst ? 503 : 204];
  });
});
afterEach(() => receiver.close());

const nowhere = { to: [], from: undefined, ca: undefined };
const withReceiver = (activities: Partial<StubbedActivities>, body: Parameters<typeof withWorkers>[1]) => {
  const target = { url: `${receiver.url}/s3cret-path`, secret, ...nowhere };
  const dead = { url: 'http://127.0.0.1:9/s3cret-path', secret, ...nowhere };
  const notificationTargets = new Map([
    ['OPS', target],
    ['DEAD', dead],
  ]);
  const { notify } = withCodedFailures({
    notify: createNotify({ ...run.dependencies, notificationTargets }),
  });
  return withWorkers({ ...activities, notify }, body);
};
const inputWithNotify = (notify: NotifyPolicy): RunInput => ({ ...freshInput(), notify });
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

test('notifier sends every event of a run in order and records no address in the history', async () => {
  await withReceiver({ runTraining }, async (client) => {
    const input = inputWithNotify([...everything, { to: 'slack', ref: 'MISSING' }]);
    const { handle } = await startRun(client, input);
    await handle.result();
    const all = [...received.values()].sort((a, b) => Number(a.id.split('/').at(-1)) - Number(b.id.split('/').at(-1)));
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

test('notifier sends only the selected events and names the code of a failure', async () => {
  const notify: NotifyPolicy = [{ to: 'webhook', ref: 'OPS', on: ['failed'] }];
  const stop = { name: 'GPUs', verdict: 'error', message: '9 requested, 1 available', remedy: null } as const;
  await withReceiver({ checkPlan: () => Promise.resolve([stop]) }, async (client) => {
    const { handle } = await startRun(client, inputWithNotify(notify));
    await expect(handle.result()).rejects.toThrow();
    const sent = [...received.values()].map(({ event, text }) => [event, text]);
    expect(sent).toEqual([['failed', 'PlanStopped: The dry run found 1 error:\n- GPUs: 9 requested, 1 available']]);
  });
});

test('notifier delays the end of a run by ten seconds at most when the server is down', async () => {
  await withReceiver({}, async (client) => {
    const { handle } = await startRun(client, inputWithNotify([{ to: 'webhook', ref: 'DEAD' }]));
    expect(await handle.result()).toMatchObject({ bbox: { AP: 0.5 } });
    const { events } = await handle.fetchHistory();
    const timers = events?.flatMap(
      ({ timerStartedEventAttributes: timer }) => timer?.startToFireTimeout?.seconds ?? [],
    );
    expect(timers?.map(Number)).toEqual([10]); // a retried notification lasts an hour
  });
});

test('notifier adds nothing to the history when the input names no target', async () => {
  await withReceiver({ runTraining }, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result();
    expect(JSON.stringify(await handle.fetchHistory())).not.toContain('"notify"');
    expect(receiver.hooks).toEqual([]);
  });
});
