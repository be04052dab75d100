/**
 * Loses GPUs under a run, with a real server, supervisors and leases, and a fake trainer. nvidia-smi and NVML are fakes
 * that read files, because the tests run without a GPU.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { Worker } from '@temporalio/worker';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { readJson } from '../../../activities/shared/files/json-file.ts';
import { readJsonLines } from '../../../activities/shared/files/json-lines.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { taskQueues, updateNames } from '../../../configs/names.ts';
import { runFolder, type RunFolder } from '../../../configs/paths.ts';
import {
  GpuHealth,
  GpuHealthChange,
  RecoveryPolicy,
  RunStatus,
  TrainerControl,
  type Notification,
  type RunInput,
} from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import { formatRunStatus } from '../../../infra/terminal/format-run-status.ts';
import { createFakeGpus, gpuUuid } from '../../helpers/fake-gpus.ts';
import { createFakeNvml, gpuIsLost, type FakeNvml } from '../../helpers/fake-nvml.ts';
import { createMiniRun, miniPlan } from '../../helpers/mini-run.ts';
import { aDetector, someMetrics } from '../../helpers/stub-activities.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';
import { until } from '../../helpers/until.ts';
import { freshInput, withControlWorker } from '../../helpers/workflow-env.ts';

const healthy = [{}, {}, {}, {}];
const third = gpuUuid(2);

interface Machine {
  client: Client;
  nvml: FakeNvml;
  home: string;
  notified: Notification[];
  /** Starts a GPU worker in a process of its own. */
  startWorker: () => ChildProcess;
}

async function onFourGpus(
  switches: string[],
  body: (machine: Machine) => Promise<void>,
  isWorkerSeparate = false,
): Promise<void> {
  const run = await createMiniRun(...switches);
  const { home } = run.dependencies;
  const { equip } = await createFakeGpus(home, 4);
  const nvml = await createFakeNvml(home, 4);
  const notified: Notification[] = [];
  const dependencies = nvml.equip(equip(run.dependencies));
  const { python, gpus } = dependencies;
  const config = JSON.stringify({ address: temporalAddress(), home, switches, python, leases: gpus.folder });
  const startWorker = () =>
    spawn(process.execPath, [`${import.meta.dirname}/../../fixtures/gpu-worker-child.ts`, config], {
      stdio: 'inherit',
    });
  const activities = createGpuActivities(dependencies);
  const control = {
    resolvePlan: (input: RunInput) => {
      const { name: runId, gpus, epochs, recovery } = input;
      return Promise.resolve({ ...miniPlan, runId, gpus, epochs, recovery, input });
    },
    notify: ({ notification }: { notification: Notification }) => Promise.resolve(void notified.push(notification)),
  };
  try {
    await withControlWorker(control, async (client, connection) => {
      const machine = { client, nvml, home, notified, startWorker };
      if (isWorkerSeparate) {
        await body(machine);
        return;
      }
      const worker = await Worker.create({
        connection,
        taskQueue: taskQueues.gpu,
        activities: {
          ...activities,
          checkMachine: () => Promise.resolve([]), // this machine has no GPU
          runTest: () => Promise.resolve(someMetrics),
          exportDetector: () => Promise.resolve(aDetector),
        },
        maxHeartbeatThrottleInterval: '200ms',
      });
      await worker.runUntil(body(machine));
    });
  } finally {
    await run.remove();
  }
}

const inputOf = (fewerGpus: boolean, epochs: number): RunInput => ({
  ...freshInput(),
  gpus: 4,
  epochs,
  recovery: RecoveryPolicy.parse({ fewerGpus }),
  notify: [{ to: 'webhook', ref: 'OPS', on: ['gpu-health', 'stalled'] }],
});

const statusOf = async (handle: WorkflowHandle): Promise<RunStatus> => RunStatus.parse(await handle.query('status'));

/** Waits until a trainer trains on this many GPUs. */
const trainingOn = (folder: RunFolder, count: number) =>
  until(async () => {
    const live = await findLiveJob(folder.train);
    if (live?.owner.gpus.length !== count) return undefined;
    const events = await readProgress(folder.train.progress);
    const steps = events.filter(({ type, attempt }) => type === 'step' && attempt === live.owner.attempt);
    return steps.length > 0 ? live.owner : undefined;
  });

/** Starts a run on four GPUs. The third one is lost while it trains, and its trainer is killed. */
async function loseGpu({ client, nvml, home }: Machine, input: RunInput) {
  const folder = runFolder(home, input.name);
  const { handle } = await startRun(client, input);
  const first = await trainingOn(folder, 4);
  await nvml.set([{}, {}, gpuIsLost, {}]);
  process.kill(first.pid, 'SIGKILL');
  return { handle, folder, first };
}

test('a run continues on two of four GPUs when one is lost, and returns to all after an epoch', async () => {
  await onFourGpus(['--step-seconds', '0.05', '--steps-per-epoch', '20'], async (machine) => {
    const { client, nvml, home, notified } = machine;
    const input = inputOf(true, 40);
    const { handle, folder } = await loseGpu(machine, input);

    const second = await trainingOn(folder, 2);
    expect(second.gpus).toEqual([gpuUuid(0), gpuUuid(1)]);
    expect((await readJson(folder.train.control, TrainerControl))?.gpus).toBe(2);
    const degraded = await statusOf(handle);
    expect(degraded.attempts.at(-1)?.gpus?.failed).toEqual([third]);
    expect(degraded.decisions.at(-1)?.change).toMatch(
      new RegExp(
        `^${third} is not usable: the GPU does not answer: GPU is lost; trains on 2 of 4 GPUs with the same batch`,
      ),
    );
    expect(degraded.gpus?.map(({ uuid, verdict }) => [uuid, verdict])).toEqual([[third, 'unusable']]);

    expect(formatRunStatus(degraded)).toContainEqual(
      `  GPU        ${third} unusable: the GPU does not answer: GPU is lost. Restart the machine. If it returns, replace the GPU or its link.`,
    );

    // Another run gets the GPU that is left over, never the broken one. While it has it, the first one stays on two.
    const other = { ...inputOf(false, 40), gpus: 1 };
    const { handle: otherRun } = await startRun(client, other);
    expect((await trainingOn(runFolder(home, other.name), 1)).gpus).toEqual([gpuUuid(3)]);
    await nvml.set(healthy);
    const validations = async () =>
      (await readProgress(folder.train.progress)).filter(({ type }) => type === 'validation').length;
    const before = await validations();
    await until(async () => ((await validations()) >= before + 2 ? true : undefined));
    expect((await findLiveJob(folder.train))?.owner.pid).toBe(second.pid);
    await otherRun.cancel();
    await expect(otherRun.result()).rejects.toThrow();

    const last = await trainingOn(folder, 4);
    expect(last.gpus).toHaveLength(4);
    const restored = await statusOf(handle);
    expect(restored.attempts.at(-1)?.outcome).toBe('preempted');
    expect(restored.decisions.at(-1)?.change).toContain('trains on all 4 GPUs again');
    expect([restored.control?.gpus, restored.gpus]).toEqual([4, []]);

    const told = notified.filter(({ event, name }) => event === 'gpu-health' && name === input.name);
    expect(told.map(({ text }) => text)).toEqual([expect.stringContaining(`${third} unusable: `)]);
    await until(async () => (await readJson(folder.gpus, GpuHealth))?.gpus.length === last.gpus.length || undefined);
    const changes = await readJsonLines(folder.gpuHealth, GpuHealthChange);
    expect(changes[0]?.problems.map(({ uuid }) => uuid)).toEqual([third]);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
  });
});

test('a trainer on two of four GPUs is adopted after kill -9 of its worker, and returns to all after an epoch', async () => {
  const switches = ['--step-seconds', '0.05', '--steps-per-epoch', '20'];
  const body = async (machine: Machine) => {
    const { nvml, startWorker } = machine;
    const worker = startWorker();
    let next: ChildProcess | undefined;
    try {
      const { handle, folder } = await loseGpu(machine, inputOf(true, 100));
      const second = await trainingOn(folder, 2);
      worker.kill('SIGKILL');
      next = startWorker();
      const adopted = await until(async () => {
        const { attempts, progress } = await statusOf(handle);
        const isWatched = attempts.at(-1)?.outcome === 'worker-lost' && progress?.attempt === attempts.length + 1;
        return isWatched ? (await findLiveJob(folder.train))?.owner : undefined;
      });
      expect([adopted.pid, adopted.gpus]).toEqual([second.pid, [gpuUuid(0), gpuUuid(1)]]);
      await nvml.set(healthy);
      await trainingOn(folder, 4);
      const { attempts, decisions, control } = await statusOf(handle);
      expect(attempts.map(({ outcome }) => outcome)).toEqual(['crashed', 'worker-lost', 'preempted']);
      expect(attempts.at(-1)).toMatchObject({ adopted: true, gpus: { leased: [gpuUuid(0), gpuUuid(1)] } });
      expect(decisions.at(-1)?.change).toContain('trains on all 4 GPUs again');
      expect(control?.gpus).toBe(4);
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow();
    } finally {
      worker.kill('SIGKILL');
      next?.kill('SIGKILL');
    }
  };
  await onFourGpus(switches, body, true);
});

test('a run waits with a notice for a lost GPU when its plan allows no fewer', async () => {
  await onFourGpus(['--step-seconds', '0.05'], async (machine) => {
    const { nvml, notified } = machine;
    const { handle, folder, first } = await loseGpu(machine, inputOf(false, 40));

    const notice = await until(async () => (await statusOf(handle)).notice ?? undefined);
    expect(notice).toContain(`Waiting for 4 usable GPUs: ${third} is not usable`);
    expect(notice).toContain('set recovery.fewerGpus to true');
    await until(() => notified.find(({ event, text }) => event === 'stalled' && text.includes('wait-for-gpus')));
    expect(await findLiveJob(folder.train)).toBeUndefined();

    await nvml.set(healthy);
    const second = await trainingOn(folder, 4);
    expect(second.attempt).toBeGreaterThan(first.attempt);
    expect((await statusOf(handle)).notice).toBeNull();
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
  });
});

test('a GPU on which training fails twice is left out, until a second one shows that it is not the cause', async () => {
  const message = 'CUDA error: an illegal memory access was encountered';
  await onFourGpus(['--fail-at-step', '5', '--fail-message', message], async ({ client }) => {
    const { handle } = await startRun(client, inputOf(true, 3));
    await expect(handle.result()).rejects.toThrow();
    const { attempts, decisions } = await statusOf(handle);
    const [first, second] = [gpuUuid(0), gpuUuid(1)];
    expect(attempts.map(({ gpus }) => gpus?.failed)).toEqual([[first], [first], [second], [second]]);
    expect(attempts.map(({ gpus }) => gpus?.leased.length)).toEqual([4, 4, 2, 2]);
    expect(decisions[1]?.change).toContain(`${first} failed twice and is left out; trains on 2 of 4 GPUs`);
    expect(decisions.map(({ next }) => next)).toEqual(['retry', 'retry', 'retry', 'stop']);
  });
});

test('a run that waits for a GPU that failed twice uses it again after a person resumes it', async () => {
  const message = 'CUDA error: an illegal memory access was encountered';
  await onFourGpus(['--fail-at-step', '5', '--fail-message', message], async ({ client }) => {
    const { handle } = await startRun(client, inputOf(false, 3));
    const notice = await until(async () => (await statusOf(handle)).notice ?? undefined);
    expect(notice).toContain(`${gpuUuid(0)} failed twice and is left out`);
    expect(notice).toMatch(/If the same GPU works again: everswin resume \S+\./);
    const { attempts } = await statusOf(handle);
    await handle.executeUpdate(updateNames.resume);
    const next = await until(async () => (await statusOf(handle)).attempts.at(attempts.length));
    expect([next.gpus?.leased.length, next.gpus?.failed]).toEqual([4, [gpuUuid(0)]]);
    await handle.cancel();
    await expect(handle.result()).rejects.toThrow();
  });
});
