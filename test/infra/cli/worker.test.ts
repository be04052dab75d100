/** Stops `everswin worker gpu` while a trainer runs that it does not watch. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { ActivityCancellationDetails } from '@temporalio/common';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { createGpuActivities } from '../../../activities/index.ts';
import { readJson } from '../../../activities/shared/files/json-file.ts';
import { findLiveJob } from '../../../activities/shared/trainer/trainer-process.ts';
import { TrainerExit } from '../../../configs/schema/index.ts';
import {
  createMiniRun,
  miniControl,
  miniDataset,
  miniPlan,
  miniWeights,
  type MiniRun,
} from '../../helpers/mini-run.ts';
import { startKeyProxy } from '../../fixtures/key-proxy.ts';
import { mockEnvironment } from '../../helpers/mock-environment.ts';
import { projectRoot } from '../../helpers/project.ts';
import { temporalAddress } from '../../helpers/temporal-address.ts';
import { until } from '../../helpers/until.ts';

const LogEntry = z.object({
  time: z.iso.datetime(),
  level: z.string(),
  message: z.string(),
  state: z.string().optional(),
  sdkComponent: z.string().optional(),
});

/** Starts a trainer. Its activity ends, as when it is reset, and leaves the trainer running. */
async function startTrainer({ dependencies, folder }: MiniRun) {
  const environment = mockEnvironment();
  const { runTraining } = createGpuActivities(dependencies);
  const inputs = { plan: miniPlan, dataset: miniDataset, weights: miniWeights };
  const attempt = environment.run(runTraining, {
    ...inputs,
    attempt: 1,
    control: miniControl,
    rollback: null,
    since: 0,
  });
  const { owner } = await until(() => findLiveJob(folder.train));
  environment.cancel('RESET', new ActivityCancellationDetails({ reset: true }));
  await expect(attempt).rejects.toMatchObject({ type: 'StaleAttempt' });
  return owner;
}

/** Starts the command, sends SIGTERM to this process alone once it polls for tasks, and returns its exit code. */
async function startAndStop(home: string, ...options: string[]): Promise<number | null> {
  const argv = ['worker', 'gpu', '--device', 'cpu', '--address', temporalAddress(), ...options];
  const worker = spawn(process.execPath, [`${projectRoot}/infra/cli/main.ts`, ...argv], {
    env: { ...process.env, EVERSWIN_HOME: home, EVERSWIN_LOG_FORMAT: 'json' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(worker, 'exit');
  for await (const line of createInterface(worker.stdout)) {
    const entry = LogEntry.parse(JSON.parse(line));
    if (entry.state === 'RUNNING') worker.kill('SIGTERM');
  }
  await exited;
  return worker.exitCode;
}

test('a GPU worker leaves its trainer running on SIGTERM, and lets it save and stop with --drain', async () => {
  const run = await createMiniRun('--step-seconds', '1');
  const { home } = run.dependencies;
  try {
    const trainer = await startTrainer(run);
    expect(await startAndStop(home)).toBe(0);
    expect(await findLiveJob(run.folder.train)).toMatchObject({ owner: { pid: trainer.pid } });
    expect(await startAndStop(home, '--drain')).toBe(0);
    expect(await findLiveJob(run.folder.train)).toBeUndefined();
    expect(await readJson(run.folder.train.exit, TrainerExit)).toMatchObject({ reason: 'preempted' });
  } finally {
    await run.remove();
  }
});

test('the JSON log of a worker includes the entries of the native part of the SDK', async () => {
  const run = await createMiniRun();
  const proxy = await startKeyProxy(temporalAddress(), 'key');
  const worker = execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, 'worker', 'gpu', '--device', 'cpu'], {
    env: {
      TEMPORAL_ADDRESS: proxy.address,
      TEMPORAL_TLS: 'false',
      TEMPORAL_API_KEY: 'key',
      EVERSWIN_HOME: run.dependencies.home,
      EVERSWIN_LOG_FORMAT: 'json',
    },
    reject: false,
    all: true,
  });
  try {
    const lines: string[] = [];
    for await (const line of worker.iterable({ from: 'all' })) {
      lines.push(line);
      if (line.includes('RUNNING')) await proxy.close(); // the polls fail
      if (/"core"|sdk_core/.test(line)) worker.kill('SIGKILL');
    }
    const entries = lines.map((line) => LogEntry.parse(JSON.parse(line)));
    expect(entries).toContainEqual(expect.objectContaining({ level: 'WARN', sdkComponent: 'core' }));
  } finally {
    worker.kill('SIGKILL');
    await worker;
    await run.remove();
  }
});

test('a GPU worker does not start when its user cannot use the shared folder of the leases', async () => {
  const run = await createMiniRun();
  const { home } = run.dependencies;
  try {
    const file = `${home}/not-a-folder`;
    await writeFile(file, '');
    const argv = ['worker', 'gpu', '--device', 'cpu', '--address', temporalAddress()];
    const env = { ...process.env, EVERSWIN_HOME: home, EVERSWIN_GPU_FOLDER: file };
    const { exitCode, stderr } = await execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, ...argv], {
      env,
      reject: false,
    });
    expect(stderr).toContain(`[Errno 17] File exists: '${file}'. Move it away, or set EVERSWIN_GPU_FOLDER`);
    expect(exitCode).toBe(1);
  } finally {
    await run.remove();
  }
});

test('a worker that cannot load its workflows ends, so that the stack starts another one', async () => {
  const folder = await mkdtemp(`${tmpdir()}/everswin-worker-`);
  const argv = ['worker', 'control', '--address', temporalAddress()];
  const slow = `--import ${projectRoot}/test/fixtures/slow-workflow-loading.mjs`;
  try {
    const { exitCode, stderr } = await execa(process.execPath, [`${projectRoot}/infra/cli/main.ts`, ...argv], {
      env: { EVERSWIN_HOME: folder, NODE_OPTIONS: slow },
      reject: false,
    });
    expect(stderr).toContain('Script execution timed out after 5000ms');
    expect(exitCode).toBe(1);
  } finally {
    await rm(folder, { recursive: true });
  }
});
