import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { expect, test } from 'vitest';
import { retrainId, taskQueues, triggerSignalName, workflowTypes } from '../../../configs/names.ts';
import { RetrainStatus, type RetrainInput, type Notification } from '../../../configs/schema/index.ts';
import { formatRetrainStatus } from '../../../infra/client/follow-retrain.ts';
import { listRuns } from '../../../infra/client/list-runs.ts';
import type { retrainDetector } from '../../../workflows/index.ts';
import { createRetrainStubs, freshRetrainInput } from '../../helpers/retrain-stubs.ts';
import { until } from '../../helpers/until.ts';
import { anAttempt, someFingerprint, someMetrics, type StubbedActivities } from '../../helpers/stub-activities.ts';
import { withWorkers } from '../../helpers/workflow-env.ts';

const trigger = (client: Client, input: RetrainInput, who = 'a test') =>
  client.workflow.signalWithStart<typeof retrainDetector, [unknown]>(workflowTypes.retrainDetector, {
    taskQueue: taskQueues.control,
    workflowId: retrainId(input.model),
    args: [input],
    signal: triggerSignalName,
    signalArgs: [{ who, why: 'to see', at: 1 }],
  });

test('retrainDetector promotes the first candidate and trains again only for changed data', async () => {
  const world = createRetrainStubs();
  await withWorkers(world.activities, async (client) => {
    const input = freshRetrainInput();
    const first = await (await trigger(client, input)).result();
    expect(first.outcomes).toMatchObject([{ outcome: 'promoted', runId: `${input.model}-${'a'.repeat(12)}` }]);
    expect(world.champion()).toBe(first.outcomes[0]?.version);

    const second = await (await trigger(client, input)).result();
    expect(second.decisions.map(({ trains, why }) => [trains, why.slice(0, 24)])).toEqual([
      [false, 'skipped: nothing changed'],
    ]);
    world.change('b');
    const third = await (await trigger(client, input)).result();
    expect(third.decisions[0]?.why).toBe('changed: dataset (was a, is b)');
    // The note is shown in the report.
    expect(world.notes[1]).toBe('requested by a test; changed: dataset (was a, is b)');
    expect(world.trained).toHaveLength(2);
  });
});

test('retrainDetector tests the champion again only if the versions of the test differ', async () => {
  const world = createRetrainStubs();
  const { readVersion } = world.activities;
  const tested: string[] = [];
  /** By the last letter of the version; `a` is of an earlier everswin. */
  const versions: Record<string, string> = { b: 'dataset 1, test 1', c: 'dataset 1, test 2' };
  const activities: Partial<StubbedActivities> = {
    ...world.activities,
    readVersion: async (request) => {
      const found = await readVersion?.(request);
      if (found === undefined) throw new Error('no stub');
      const letter = request.id.at(-1) ?? '';
      const test = { ...found.version.test, trainerCode: letter.repeat(64), trainerVersion: versions[letter] };
      return { ...found, version: { ...found.version, test } };
    },
    runTest: ({ plan }) => {
      tested.push(plan.runId);
      return Promise.resolve(someMetrics);
    },
  };
  await withWorkers(activities, async (client) => {
    const input = freshRetrainInput();
    for (const data of ['a', 'b', 'c']) {
      world.change(data);
      await (await trigger(client, input)).result();
    }
  });
  expect(tested.filter((name) => name.includes('champion'))).toEqual([
    expect.stringMatching(/-champion-000000-000000-v-1-2/),
  ]);
});

test('retrainDetector sets its stage as search attribute and links the page of its model', async () => {
  const world = createRetrainStubs();
  const page = 'http://127.0.0.1:8235/runs/x/';
  const activities: Partial<StubbedActivities> = {
    ...world.activities,
    pinPlan: ({ plan }) => Promise.resolve({ ...plan, page }),
  };
  await withWorkers(activities, async (client) => {
    const input = freshRetrainInput({ promote: { by: 'person', deadlineHours: 1 } });
    const handle = await trigger(client, input);
    const idOf = async (stage: string) => {
      const query = `WorkflowType = 'retrainDetector' AND Phase = '${stage}'`;
      for await (const { workflowId } of client.workflow.list({ query }))
        if (workflowId === handle.workflowId) return true;
      return undefined;
    };
    await until(() => idOf('waiting for approval'));
    const details = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata');
    expect(JSON.stringify(details)).toContain(`http://127.0.0.1:8235/models/${input.model}`);
    expect((await listRuns(client, '/nowhere', false)).find((line) => line.includes(input.model))).toContain(
      'waiting for approval',
    );
    await handle.executeUpdate('approve', { args: [{ who: 'kim', why: 'looks right' }] });
    const last = await handle.result();
    expect(last.page).toBe(`http://127.0.0.1:8235/models/${input.model}`);
    expect(formatRetrainStatus(last)).toEqual([
      `${input.model}  idle`,
      `  champion   ${last.champion ?? ''}`,
      '  decision   a test: changed: dataset (was null, is a)',
      `  candidate  ${input.model}-aaaaaaaaaaaa: promoted, looks right (gate: passed)`,
      `  page       http://127.0.0.1:8235/models/${input.model}`,
    ]);
    await until(() => idOf('idle'));
  });
});

test('retrainDetector trains once for three concurrent triggers and records all of them', async () => {
  const world = createRetrainStubs();
  await withWorkers(world.activities, async (client) => {
    const input = freshRetrainInput();
    const handles = await Promise.all(['one', 'two', 'three'].map((who) => trigger(client, input, who)));
    expect(new Set(handles.map(({ workflowId }) => workflowId)).size).toBe(1);
    const { decisions } = await (handles[0] as (typeof handles)[number]).result();
    expect(decisions.flatMap(({ triggers }) => triggers.map(({ who }) => who)).sort()).toEqual(['one', 'three', 'two']);
    expect(world.trained).toHaveLength(1);
  });
});

test('retrainDetector handles a trigger during a training after that training', async () => {
  const world = createRetrainStubs();
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const { runTraining } = world.activities;
  const activities: Partial<StubbedActivities> = {
    ...world.activities,
    runTraining: async (request) => {
      if (world.trained.length === 0) await held;
      return runTraining?.(request) ?? anAttempt({});
    },
  };
  await withWorkers(activities, async (client) => {
    const input = freshRetrainInput();
    const handle = await trigger(client, input);
    await until(async () => ((await handle.query<RetrainStatus>('status')).stage === 'training' ? true : undefined));
    world.change('b');
    await trigger(client, input, 'late');
    release();
    const { decisions } = await handle.result();
    expect(decisions.at(-1)).toMatchObject({ trains: true, triggers: [{ who: 'late' }] });
    expect(world.trained).toHaveLength(2);
  });
});

test('retrainDetector continues as new after hundreds of triggers and keeps its decisions', async () => {
  const world = createRetrainStubs();
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const { detectChanges } = world.activities;
  let checks = 0;
  const activities: Partial<StubbedActivities> = {
    ...world.activities,
    detectChanges: async (question) => {
      if ((checks += 1) === 1) await held;
      return detectChanges?.(question) as ReturnType<StubbedActivities['detectChanges']>;
    },
  };
  await withWorkers(activities, async (client) => {
    const handle = await trigger(client, freshRetrainInput(), 'first');
    await until(() => Promise.resolve(checks > 0 ? true : undefined));
    // More events than test/helpers/temporal-server.ts allows a history.
    const flood = Array.from({ length: 450 }, (_, one) => ({ who: `trigger ${one}`, why: 'a flood', at: 1 }));
    await Promise.all(flood.map((one) => handle.signal(triggerSignalName, one)));
    release();
    const { decisions } = await handle.result();
    expect(decisions.map(({ trains }) => trains)).toEqual([true, false]);
    expect(decisions[1]?.triggers).toHaveLength(100);
    const last = await client.workflow.getHandle(handle.workflowId).describe();
    expect(last.runId).not.toBe(handle.signaledRunId);
  });
});

test('retrainDetector keeps the champion and records why when the gate rejects a candidate', async () => {
  const world = createRetrainStubs((candidate) => !candidate.endsWith('b'));
  await withWorkers(world.activities, async (client) => {
    const input = freshRetrainInput();
    await (await trigger(client, input)).result();
    const champion = world.champion();
    world.change('b');
    const { outcomes } = await (await trigger(client, input)).result();
    expect(outcomes).toMatchObject([{ outcome: 'rejected', why: 'rejected: worse' }]);
    expect(world.champion()).toBe(champion);
  });
});

test('retrainDetector waits for a valid approval and applies the default after the deadline', async () => {
  const world = createRetrainStubs();
  const events: string[] = [];
  const notify: StubbedActivities['notify'] = ({ notification: { event } }) => {
    events.push(event);
    return Promise.resolve();
  };
  await withWorkers({ ...world.activities, notify }, async (client) => {
    const promote = { by: 'person', deadlineHours: 1, remindAfterHours: 0.0002 };
    const input = freshRetrainInput({ promote, run: { notify: [{ to: 'webhook', ref: 'OPS' }] } });
    const handle = await trigger(client, input);
    await until(async () => (await handle.query<RetrainStatus>('status')).awaitingApproval ?? undefined);
    await until(() => Promise.resolve(events.includes('waiting-for-approval') || undefined));
    expect(new Set(events)).toEqual(new Set(['started', 'done', 'waiting-for-approval']));
    await expect(handle.executeUpdate('approve', { args: [{ who: '' }] })).rejects.toThrow();
    await handle.executeUpdate('approve', { args: [{ who: 'kim', why: 'looks right' }] });
    expect((await handle.result()).outcomes).toMatchObject([
      { outcome: 'promoted', why: 'looks right (gate: passed)' },
    ]);
    await expect(handle.executeUpdate('reject', { args: [{ who: 'kim', why: 'late' }] })).rejects.toThrow();

    world.change('b');
    const silent = { ...input, promote: { ...input.promote, deadlineHours: 0.0005 } };
    expect((await (await trigger(client, silent as RetrainInput)).result()).outcomes).toMatchObject([
      { outcome: 'rejected', why: expect.stringContaining('no answer within') as string },
    ]);
  });
});

test('retrainDetector waits for the storage of its preparation, and ends when the preparation always crashes', async () => {
  const world = createRetrainStubs();
  let error = ApplicationFailure.create({ message: "EIO: i/o error, '/store/x'", type: 'StorageUnavailable' });
  let tries = 0;
  const fetchDataset: StubbedActivities['fetchDataset'] = () => {
    tries += 1;
    return Promise.reject(error);
  };
  const sent: Notification[] = [];
  const notify: StubbedActivities['notify'] = ({ notification }) => Promise.resolve(void sent.push(notification));
  await withWorkers({ ...world.activities, fetchDataset, notify }, async (client) => {
    const handle = await trigger(client, freshRetrainInput({ run: { notify: [{ to: 'webhook', ref: 'OPS' }] } }));
    const waiting = await until(async () => {
      const status = await handle.query<RetrainStatus>('status');
      return status.notice == null ? undefined : status;
    });
    expect(formatRetrainStatus(waiting).join('\n')).toContain("'/store/x'");
    tries = 0;
    error = ApplicationFailure.create({ message: 'ended with SIGSEGV', type: 'TrainerCommandFailed' });
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'TrainerNoProgress' } });
    expect(tries).toBe(3);
    expect(sent.map(({ event }) => event)).toEqual(['stalled', 'failed']);
    expect(sent[1]?.text).toContain('ended with SIGSEGV');
  });
});

test('retrainDetector fails and records the outcome when the training fails', async () => {
  const world = createRetrainStubs();
  const broken: Partial<StubbedActivities> = {
    ...world.activities,
    runTest: () => Promise.reject(ApplicationFailure.nonRetryable('no space', 'TrainingFailed')),
  };
  await withWorkers({ ...broken }, async (client) => {
    const input = freshRetrainInput({ run: { recovery: {} } });
    const handle = await trigger(client, input);
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'TrainingFailed' } });
    const status = RetrainStatus.parse(await handle.query('status'));
    expect(status.outcomes).toMatchObject([{ outcome: 'failed' }]);
    expect(status.decisions[0]?.fingerprint).not.toEqual(someFingerprint);
  });
});
