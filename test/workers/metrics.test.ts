import '../helpers/quiet-runtime.ts';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createGpuActivities } from '../../activities/index.ts';
import { AttemptProgress } from '../../activities/train/attempt-progress.ts';
import { workflowId, workflowTypes } from '../../configs/names.ts';
import type { Attempt, GpuHealth } from '../../configs/schema/index.ts';
import { findFreePorts } from '../../infra/stack/free-port.ts';
import { connect } from '../../workers/connect.ts';
import { TrainingMetrics } from '../../workers/metrics/training-metrics.ts';
import { withMetrics } from '../../workers/metrics/with-metrics.ts';
import { listMetrics } from '../helpers/monitoring-files.ts';
import { mockEnvironment } from '../helpers/mock-environment.ts';
import { createMiniRun, miniControl, miniDataset, miniPlan, miniWeights } from '../helpers/mini-run.ts';
import { pinnedTemporal, projectRoot } from '../helpers/project.ts';
import { temporalAddress } from '../helpers/temporal-address.ts';
import { until } from '../helpers/until.ts';

const deployment = 'metrics-test';
let home: string;
let address: string;
let worker: ChildProcess | undefined;

const cli = `${projectRoot}/infra/cli/main.ts`;
/** Returns the error of a worker that cannot serve its metrics. */
const refuse = async (at: string): Promise<string> => {
  vi.stubEnv('EVERSWIN_GPU_METRICS_ADDRESS', at);
  const work = () => Promise.reject(new Error('the worker has started'));
  const error = await withMetrics('EVERSWIN_GPU_METRICS_ADDRESS', () => [], work).catch(String);
  vi.unstubAllEnvs();
  return String(error);
};

beforeAll(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-metrics-`);
  address = `127.0.0.1:${(await findFreePorts(1))[0]}`;
});

afterAll(async () => {
  if (worker !== undefined) {
    const exited = once(worker, 'exit');
    worker.kill('SIGKILL');
    await exited;
  }
  await rm(home, { recursive: true });
});

/** Returns the metrics of a scrape. Gauges without a series are there as well. */
const namesOf = (scrape: string): Set<string> =>
  new Set([...scrape.matchAll(/^(?:# TYPE )?((?:everswin|temporal)_\w+)/gm)].map(([, name = '']) => name));

test('a worker serves its metrics and those of the SDK at one address, and the server lists it', async () => {
  worker = spawn(process.execPath, [cli, 'worker', 'control'], {
    env: {
      ...process.env,
      EVERSWIN_HOME: home,
      EVERSWIN_DEPLOYMENT: deployment,
      EVERSWIN_CONTROL_METRICS_ADDRESS: address,
      TEMPORAL_ADDRESS: temporalAddress(),
    },
    stdio: 'ignore',
  });
  const client = await connect({ address: temporalAddress(), namespace: 'default' });
  const demo: unknown = JSON.parse(await readFile(`${projectRoot}/configs/runs/demo.json`, 'utf8'));
  const start = (type: string, name: string) =>
    client.workflow.start(type, {
      taskQueue: deployment,
      workflowId: `${deployment}:${workflowId(name)}`,
      workflowIdConflictPolicy: 'USE_EXISTING',
      args: [{ ...(demo as object), name }],
    });
  // No worker of this deployment serves the GPU queue, so the run stays as it is.
  const run = await start(workflowTypes.trainDetector, 'watched');
  // The worker counts that it cannot run this one.
  const broken = await start('unknownType', 'broken');
  const text = await until(async () => {
    const scrape = await fetch(`http://${address}/metrics`).then(
      (response) => response.text(),
      () => '',
    );
    const awaited = ['everswin_run_phase{', 'workflow_task_execution_failed_total{', 'activity_execution_latency_'];
    const isComplete = awaited.every((name) => scrape.includes(name));
    return isComplete ? scrape : undefined;
  });
  expect(text).toMatch(
    /^everswin_run_phase\{run="watched",workflow_type="trainDetector",recipe="[^"]+",phase="\w+"\} 1$/m,
  );
  expect(text).toContain('everswin_temporal_up 1\n');
  expect(text).toMatch(/^everswin_disk_free_bytes\{home="[^"]+"\} \d+$/m);
  expect(text).toMatch(/^temporal_workflow_task_execution_latency_seconds_count\{/m);
  const registry = new Registry();
  new TrainingMetrics().addTo(registry);
  const exported = namesOf(`${text}\n${await registry.metrics()}`);
  const files = ['alerts.yml', 'dashboard.json'].map((name) =>
    readFile(`${projectRoot}/infra/monitoring/${name}`, 'utf8'),
  );
  const named = listMetrics((await Promise.all(files)).join('\n'));
  expect(named.filter((name) => !exported.has(name))).toEqual([]);
  await broken.terminate();
  await run.terminate();
  await until(async () => {
    const argv = ['worker', 'list', '--query', `TaskQueue='${deployment}'`, '--address', temporalAddress()];
    const { stdout } = await execa(pinnedTemporal, argv);
    return / Running +metrics-test +control@.+:\d+ everswin /.test(stdout) || undefined;
  });
  await client.connection.close();
});

test('a worker refuses to start when its port is in use, and names the process', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo; // a TCP server has a port
  const error = await refuse(`127.0.0.1:${port}`);
  expect(error).toContain(`Cannot serve metrics at 127.0.0.1:${port}: port ${port} is in use by pid ${process.pid} (`);
  expect(error).toContain('Set EVERSWIN_GPU_METRICS_ADDRESS to another HOST:PORT, or unset it');
  taken.close();
});

test.each([
  ['192.0.2.1:9464', 'this machine does not have that address'],
  ['no-such-host.invalid:9464', 'the host name cannot be resolved'],
  ['9464', 'Invalid environment variables: EVERSWIN_GPU_METRICS_ADDRESS: Expected HOST:PORT'],
])('a worker refuses to serve metrics at %s', async (at, why) => {
  expect(await refuse(at)).toContain(why);
});

test('a training has metrics while it runs, and none afterwards', async () => {
  const mini = await createMiniRun('--step-seconds', '0.02', '--mfu', '0.31');
  const metrics = new TrainingMetrics();
  const registry = new Registry();
  const collectors = metrics.addTo(registry);
  const scrape = async () => {
    await Promise.all(collectors.map((collect) => collect()));
    return registry.metrics();
  };
  const { runTraining } = createGpuActivities({ ...mini.dependencies, observe: metrics.observe });
  const inputs = { plan: miniPlan, dataset: miniDataset, weights: miniWeights };
  const request = { ...inputs, attempt: 1, control: miniControl, rollback: null, since: 0 };
  const training = mockEnvironment().run(runTraining, request);
  const labels = `{run="${miniPlan.runId}",recipe="${miniPlan.recipe.name}"}`;
  const during = await until(async () => {
    const text = await scrape();
    return text.includes(`everswin_training_checkpoint_timestamp_seconds${labels}`) ? text : undefined;
  });
  for (const name of ['loss', 'learning_rate', 'step_seconds', 'images_per_second', 'mfu_ratio', 'unsaved_seconds'])
    expect(during).toMatch(new RegExp(`^everswin_training_${name}\\{run="[^"]+",recipe="[^"]+"\\} [0-9.e-]+$`, 'm'));
  expect(during).toContain(`everswin_training_attempt${labels} 1\n`);
  expect(await training).toMatchObject({ outcome: 'finished' });
  expect(await scrape()).not.toContain(miniPlan.runId);
  await mini.remove();
});

test('the newest reading of the GPUs has metrics while a training is watched', async () => {
  const metrics = new TrainingMetrics();
  const registry = new Registry();
  const collectors = metrics.addTo(registry);
  const facts = { temperature: 61, memory: { usedBytes: 5e9, totalBytes: 80e9 } };
  const gpu = { index: 0, name: null, heldBy: null, findings: [], facts };
  const gpus = [
    { ...gpu, uuid: 'GPU-a', verdict: 'ok' as const },
    { ...gpu, uuid: 'GPU-b', verdict: 'unusable' as const, facts: {} },
  ];
  const reading = (at: number): GpuHealth => ({ v: 1, at, problem: null, gpus, waiting: [] });
  const request = { plan: miniPlan, attempt: 1, control: miniControl, rollback: null, since: 0 };
  const observe = (latest: GpuHealth | undefined, work: () => Promise<Attempt>) =>
    metrics.observe({ request, progress: new AttemptProgress(request), gpuWatch: { latest } }, work);
  const scrape = new Error('the attempt is over');
  const scraped = observe(undefined, () =>
    observe({ ...reading(1), gpus: [] }, () =>
      observe(reading(2), async () => {
        await Promise.all(collectors.map((collect) => collect()));
        scrape.message = await registry.metrics();
        throw scrape;
      }),
    ),
  );
  await expect(scraped).rejects.toBe(scrape);
  const lines = scrape.message.split('\n').filter((line) => line.startsWith('everswin_gpu_'));
  expect(lines).toEqual([
    'everswin_gpu_usable{gpu="GPU-a"} 1',
    'everswin_gpu_usable{gpu="GPU-b"} 0',
    'everswin_gpu_temperature_celsius{gpu="GPU-a"} 61',
    'everswin_gpu_memory_used_bytes{gpu="GPU-a"} 5000000000',
    'everswin_gpu_memory_size_bytes{gpu="GPU-a"} 80000000000',
  ]);
});
