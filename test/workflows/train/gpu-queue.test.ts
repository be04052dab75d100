/** Tests the GPU queue of one machine with a real server, worker slots, supervisors and locks. */
import { userInfo } from 'node:os';
import { Worker } from '@temporalio/worker';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { listDescendants } from '../../../activities/shared/trainer/process-descendants.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { taskQueues } from '../../../configs/names.ts';
import { runFolder } from '../../../configs/paths.ts';
import { RunStatus, type RunInput } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { GpuSlots } from '../../../workers/gpu-slots.ts';
import { createFakeGpus } from '../../helpers/fake-gpus.ts';
import { createMiniRun, miniPlan } from '../../helpers/mini-run.ts';
import { killAll } from '../../helpers/kill-all.ts';
import { until } from '../../helpers/until.ts';
import { aDetector, someMetrics } from '../../helpers/stub-activities.ts';
import { freshInput, withControlWorker } from '../../helpers/workflow-env.ts';

const control = {
  resolvePlan: (input: RunInput) =>
    Promise.resolve({ ...miniPlan, runId: input.name, gpus: input.gpus, epochs: input.epochs, input }),
};
/** Shorter than any timeout that would also free the GPUs. test/bench/gpu-handover.ts measures the delay. */
const promptSeconds = 25;
const fixed = { type: 'fixed-size', numSlots: 1 } as const;

async function onTwoGpus(stepSeconds: string, body: (client: Client, home: string) => Promise<void>): Promise<void> {
  const run = await createMiniRun('--step-seconds', stepSeconds);
  const { home } = run.dependencies;
  const { equip } = await createFakeGpus(home, 2);
  const slots = new GpuSlots(2);
  const equipped = equip(run.dependencies);
  const gpus = { ...equipped.gpus, withGpusHeld: slots.withGpusHeld };
  try {
    await withControlWorker(control, async (client, connection) => {
      const worker = await Worker.create({
        connection,
        taskQueue: taskQueues.gpu,
        activities: {
          ...createGpuActivities({ ...equipped, gpus }),
          checkMachine: () => Promise.resolve([]), // this machine has no GPU
          runTest: () => Promise.resolve(someMetrics),
          exportDetector: () => Promise.resolve(aDetector),
        },
        tuner: {
          activityTaskSlotSupplier: slots,
          workflowTaskSlotSupplier: fixed,
          localActivityTaskSlotSupplier: fixed,
          nexusTaskSlotSupplier: fixed,
        },
        maxHeartbeatThrottleInterval: '200ms',
      });
      await worker.runUntil(body(client, home));
    });
  } finally {
    await run.remove();
  }
}

const statusOf = async (handle: WorkflowHandle): Promise<RunStatus> => RunStatus.parse(await handle.query('status'));
const eventsOf = (home: string, { name }: RunInput) => readProgress(runFolder(home, name).train.progress);
const stepping = (home: string, input: RunInput) =>
  until(async () => ((await eventsOf(home, input)).some(({ type }) => type === 'step') ? true : undefined));
const waitingText = (handle: WorkflowHandle) => until(async () => (await statusOf(handle)).waiting ?? undefined);

test('GPU queue starts the waiting run when all processes of the holder are killed', async () => {
  await onTwoGpus('0.1', async (client, home) => {
    // Too long to finish before they are killed, or told to.
    const [first, second] = [
      { ...freshInput(), gpus: 2, epochs: 1000 },
      { ...freshInput(), gpus: 2, epochs: 1000 },
    ];
    const startsOf = async (input: RunInput) =>
      (await eventsOf(home, input)).filter(({ type }) => type === 'started').map(({ t }) => t);
    const finishSoon = async (handle: WorkflowHandle, input: RunInput) => {
      const epoch = (await eventsOf(home, input)).findLast((event) => event.type === 'step')?.epoch ?? 0;
      await handle.executeUpdate('stopAfterEpoch', { args: [epoch + 3, 'maria'] });
      await handle.result();
    };
    const one = (await startRun(client, first)).handle;
    await stepping(home, first);
    const other = (await startRun(client, second)).handle;
    expect(await waitingText(other)).toContain(`held by run ${first.name} of user ${userInfo().username} (pid `);
    expect(await eventsOf(home, second)).toEqual([]);

    const pid = (await findLiveJob(runFolder(home, first.name).train))?.owner.pid ?? -1;
    killAll([pid, ...(await listDescendants(pid))]);
    const killedAt = Date.now() / 1000;
    await stepping(home, second);
    const [started = Infinity] = await startsOf(second);
    expect(started - killedAt).toBeLessThan(promptSeconds);

    // The killed run joins the queue again and gets the GPUs next.
    expect(await waitingText(one)).toContain(`held by run ${second.name} of user ${userInfo().username} (pid `);
    await finishSoon(other, second);
    const restarted = await until(async () => (await startsOf(first))[1]);
    expect(restarted - ((await eventsOf(home, second)).at(-1)?.t ?? 0)).toBeLessThan(promptSeconds);
    await finishSoon(one, first);
    const { attempts, waiting } = await statusOf(one);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['crashed', 'finished']);
    expect(waiting).toBeNull();
  });
});

test('GPU queue leaves runs without a slot on the server and starts urgent runs first', async () => {
  await onTwoGpus('0.08', async (client, home) => {
    const inputs = [3, 3, 3, 5, 1].map((priority, index) => ({
      ...freshInput(),
      gpus: 2,
      priority,
      epochs: [1000, 1000, 10, 2, 2][index] ?? 1, // the first two hold their GPUs until they are cancelled
    }));
    const handles = [];
    for (const [index, input] of inputs.entries()) {
      const { handle } = await startRun(client, input);
      handles.push(handle);
      if (index === 0) await stepping(home, input);
      else if (index < 3) await waitingText(handle);
      else await until(async () => ((await statusOf(handle)).stage === 'training' ? true : undefined));
    }
    const [holder, second, ...others] = handles;
    await holder?.cancel();
    // One slot is free. Either of the two runs may get it, depending on which finishes its machine check first.
    await until(async () => {
      const texts = await Promise.all(others.slice(1).map(async (handle) => (await statusOf(handle)).waiting));
      return texts.find((text) => text !== null) ?? undefined;
    });
    await second?.cancel();
    await Promise.all(others.map((handle) => handle.result()));
    await Promise.all([holder, second].map((handle) => expect(handle?.result()).rejects.toThrow()));
    const starts = await Promise.all(
      inputs.map(async (input) => (await eventsOf(home, input)).find(({ type }) => type === 'started')?.t ?? NaN),
    );
    const order = [...inputs.keys()].sort((a, b) => (starts[a] ?? 0) - (starts[b] ?? 0));
    expect(order.slice(0, 2)).toEqual([0, 1]);
    expect(order.indexOf(4)).toBeLessThan(order.indexOf(3));
    expect(order.indexOf(2)).toBeLessThan(order.indexOf(3));
  });
});
