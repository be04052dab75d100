/** Tests a sweep and its children on the real server with stubbed activities and the real comparison. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { withCodedFailures } from '../../../activities/shared/temporal/failure.ts';
import { createControlActivities, createGpuActivities } from '../../../activities/index.ts';
import { localStore } from '../../../activities/shared/store/local-store.ts';
import { createWriteComparison } from '../../../activities/compare/write-comparison.ts';
import { compareId, progressSignalName, taskQueues, workflowId, workflowTypes } from '../../../configs/names.ts';
import { homeFolders, runFolder } from '../../../configs/paths.ts';
import {
  SweepInput,
  SweepReport,
  SweepStatus,
  type Bootstrap,
  type Check,
  type TrainerControl,
  type Progress,
  type RunInput,
  type SweepVariant,
} from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import type { compareRecipes } from '../../../workflows/index.ts';
import { sampleAnalysis } from '../../fixtures/sample-analysis.ts';
import { sampleReport, blogMetrics } from '../../fixtures/sample-report.ts';
import { createMiniRun, miniInput, miniPlan } from '../../helpers/mini-run.ts';
import { until } from '../../helpers/until.ts';
import { anAttempt, aReport, type StubbedActivities } from '../../helpers/stub-activities.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

const run = await createMiniRun();
afterAll(() => run.remove());
let home: string;
beforeEach(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-sweep-`);
});
afterEach(() => rm(home, { recursive: true, force: true }));

function freshSweep(variants: SweepVariant[], earlyStop?: SweepInput['earlyStop']): SweepInput {
  const base: Partial<RunInput> = { ...miniInput };
  delete base.name;
  return SweepInput.parse({ version: 1, name: freshInput().name, base, variants, earlyStop });
}

const startSweep = (client: Client, input: SweepInput): Promise<WorkflowHandle<typeof compareRecipes>> =>
  client.workflow.start<typeof compareRecipes>(workflowTypes.compareRecipes, {
    taskQueue: taskQueues.control,
    workflowId: compareId(input.name),
    args: [input],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
  });

const statusOf = async (handle: WorkflowHandle): Promise<SweepStatus> =>
  SweepStatus.parse(await handle.query('status'));

const variantOf = ({ name }: Pick<RunInput, 'name'>): string => name.replace(/^test-\d+-\d+-/, '');

/** Writes the report of a run: a score, and resamples that are paired with those of the other runs. */
async function leaveReport(runId: string, score: number): Promise<void> {
  const bbox = { ...blogMetrics.bbox, AP: score };
  const folder = runFolder(home, runId).report;
  const drawn = Array.from({ length: 40 }, (_, place) => score + (place % 5) / 100);
  const kind = { AP: drawn, AP50: drawn, AP75: drawn, classes: [drawn] };
  const bootstrap: Bootstrap = {
    v: 1,
    checkpointSha256: blogMetrics.checkpointSha256,
    annotationsSha256: 'e'.repeat(64),
    images: 5000,
    seed: 2017,
    resamples: 40,
    classes: ['person'],
    bbox: kind,
    segm: kind,
  };
  await mkdir(folder, { recursive: true });
  const report = sampleReport({ runId, metrics: { ...blogMetrics, bbox } });
  await writeFile(`${folder}/report.json`, JSON.stringify(report));
  await writeFile(`${folder}/analysis.json`, JSON.stringify(sampleAnalysis()));
  await writeFile(`${folder}/bootstrap.json`, JSON.stringify(bootstrap));
}

/** @param scores box AP of the final test, by the variant's name. */
const tested = (scores: Record<string, number>): Partial<StubbedActivities> => ({
  resolvePlan: (input) => Promise.resolve({ ...miniPlan, runId: input.name, epochs: input.epochs, input }),
  async writeReport({ plan }) {
    const score = scores[variantOf(plan.input)] ?? 0;
    await leaveReport(plan.runId, score);
    return { ...aReport, bbox: { ...aReport.bbox, AP: score } };
  },
  ...withCodedFailures({
    writeComparison: createWriteComparison({ ...run.dependencies, home, openStore: () => localStore(`${home}/store`) }),
  }),
});

const stop: Check = { name: 'GPUs', verdict: 'error', message: '9 requested, 1 available', remedy: null };

test('compareRecipes trains the other variants and names the winner when one variant fails', async () => {
  const input = freshSweep([
    { name: 'a', change: {} },
    { name: 'b', change: { seed: 8 } },
    { name: 'c', change: { gpus: 9 } },
    { name: 'd', change: { epochs: 2 } },
  ]);
  const checkPlan: StubbedActivities['checkPlan'] = ({ input: { gpus } }) => Promise.resolve(gpus === 9 ? [stop] : []);
  await withWorkers({ ...tested({ a: 0.48, b: 0.5, d: 0.4 }), checkPlan }, async (client) => {
    const handle = await startSweep(client, input);
    const result = await handle.result();
    expect(result.winner).toBe('b');
    expect(result.verdict).toEqual([
      'b wins with box AP 50.0: +2.0 [+2.0, +2.0] compared with a. The difference is significant.',
      'c: failed; PlanStopped: The dry run found 1 error: GPUs: 9 requested, 1 available.',
    ]);
    expect(result.variants.map(({ state }) => state)).toEqual(['done', 'done', 'failed', 'done']);

    const folder = homeFolders(home).comparison(input.name);
    const report = SweepReport.parse(JSON.parse(await readFile(`${folder}/comparison.json`, 'utf8')));
    expect(report.comparison?.runs.map(({ runId }) => runId)).toEqual(
      ['b', 'a', 'd'].map((one) => `${input.name}-${one}`),
    );
    expect(report.variants.map(({ changes }) => changes)).toEqual(['same as the base', 'seed 8', 'gpus 9', 'epochs 2']);
    const markdown = await readFile(`${folder}/comparison.md`, 'utf8');
    expect(markdown).toContain('| b (best) | seed 8 | 50.0 | 50.0 | done |');
    expect(markdown).toContain(
      '| c | gpus 9 | – | – | failed; PlanStopped: The dry run found 1 error: GPUs: 9 requested, 1 available |',
    );
    expect(await readFile(new URL(result.uri), 'utf8')).toBe(await readFile(`${folder}/index.html`, 'utf8'));
    const { typedSearchAttributes } = await handle.describe();
    expect(typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value])).toEqual(
      expect.arrayContaining([
        ['Phase', 'done'],
        ['BboxMAP', 0.5],
      ]),
    );
  });
});

test('compareRecipes joins existing runs and retries the failed one when started again', async () => {
  const input = freshSweep([
    { name: 'a', change: {} },
    { name: 'b', change: { seed: 8 } },
    { name: 'c', change: { gpus: 9 } },
  ]);
  let gpus = 1;
  const trained: string[] = [];
  const checkPlan: StubbedActivities['checkPlan'] = (plan) => Promise.resolve(plan.input.gpus > gpus ? [stop] : []);
  const runTraining: StubbedActivities['runTraining'] = async ({ plan, attempt }) => {
    trained.push(variantOf(plan.input));
    await sleep(300);
    return anAttempt({ attempt });
  };
  await withWorkers({ ...tested({ a: 0.5, b: 0.5, c: 0.6 }), checkPlan, runTraining }, async (client) => {
    const [a] = input.variants;
    if (a === undefined) throw new Error('no variant');
    const alone = { ...miniInput, name: `${input.name}-a` };
    await (await startRun(client, alone)).handle.result();
    const first = await (await startSweep(client, input)).result();
    expect(first.variants.map(({ state, joined }) => [state, joined])).toEqual([
      ['done', true],
      ['done', false],
      ['failed', false],
    ]);
    expect(first.verdict[0]).toBe(
      'a wins with box AP 50.0: 0.0 [0.0, 0.0] compared with b. The difference is not significant.',
    );
    gpus = 9;
    const second = await (await startSweep(client, input)).result();
    expect(second.winner).toBe('c');
    expect(trained.sort()).toEqual(['a', 'b', 'c']);
  });
});

test('compareRecipes fails only the variant whose run exists with other settings', async () => {
  const input = freshSweep([
    { name: 'a', change: {} },
    { name: 'b', change: {} },
  ]);
  await withWorkers(tested({ a: 0.3, b: 0.4 }), async (client) => {
    await (await startRun(client, { ...miniInput, name: `${input.name}-a`, seed: 99 })).handle.result();
    const { variants, winner, verdict } = await (await startSweep(client, input)).result();
    expect(variants[0]?.failure?.code).toBe('PlanChanged');
    expect(winner).toBe('b');
    expect(verdict[0]).toBe('b wins with box AP 40.0. No other variant has a result.');
  });
});

test('compareRecipes fails and names each reason when no variant finishes', async () => {
  const input = freshSweep([
    { name: 'a', change: {} },
    { name: 'b', change: {} },
  ]);
  await withWorkers({ ...tested({}), checkPlan: () => Promise.resolve([stop]) }, async (client) => {
    const handle = await startSweep(client, input);
    await expect(handle.result()).rejects.toMatchObject({
      cause: {
        cause: {
          type: 'NotComparable',
          message: expect.stringContaining(
            '- b: failed; PlanStopped: The dry run found 1 error: GPUs: 9 requested',
          ) as string,
        },
      },
    });
    expect((await statusOf(handle)).stage).toBe('failed');
  });
});

test('compareRecipes rejects an invalid input and a workflow id that does not match', async () => {
  await withWorkers({}, async (client) => {
    const start = (id: string, args: unknown[]) =>
      client.workflow.start(workflowTypes.compareRecipes, { taskQueue: taskQueues.control, workflowId: id, args });
    const { name } = freshInput();
    const faulty = await start(compareId(name), [{ version: 1, name, variants: [] }]);
    await expect(faulty.result()).rejects.toMatchObject({ cause: { type: 'InvalidInput' } });
    const sweep = freshSweep([
      { name: 'a', change: {} },
      { name: 'b', change: {} },
    ]);
    const other = await start(`other-${name}`, [sweep]);
    await expect(other.result()).rejects.toMatchObject({ cause: { type: 'InvalidInput' } });
  });
});

/**
 * Stubs a trainer of ten epochs: it signals each validation and ends at the last epoch of its control values.
 * @param stopped variant that does not begin its last epoch, because a busy machine decides late.
 */
const trainTen =
  (apOf: (variant: string, epoch: number) => number, stopped: string): StubbedActivities['runTraining'] =>
  async ({ plan, attempt }) => {
    const { client, info, cancellationSignal } = Context.current();
    const handle = client.workflow.getHandle(info.workflowExecution?.workflowId ?? '');
    const variant = variantOf(plan.input);
    for (let epoch = 1; ; epoch++) {
      const ap = apOf(variant, epoch);
      const progress: Progress = {
        v: 1,
        attempt,
        epoch,
        epochs: plan.epochs,
        iteration: epoch * 10,
        loss: 1,
        lr: 1,
        bboxAP: ap,
        segmAP: ap,
        validatedEpoch: epoch,
        etaSeconds: 0,
        lastCheckpoint: null,
        checkpointNow: 0,
        pid: 1,
        remote: null,
      };
      await handle.signal(progressSignalName, progress);
      let control: TrainerControl;
      do {
        await sleep(500);
        Context.current().heartbeat();
        cancellationSignal.throwIfAborted();
        control = await handle.query<TrainerControl>('control');
      } while (variant === stopped && epoch === plan.epochs - 1 && control.epochs === plan.epochs);
      if (epoch >= control.epochs) return anAttempt({ attempt, epoch });
    }
  };

test('compareRecipes stops, tests and explains a variant that falls behind the rule', async () => {
  const input = freshSweep(
    [
      { name: 'good', change: { epochs: 10 } },
      { name: 'close', change: { epochs: 10 } },
      { name: 'bad', change: { epochs: 10 } },
    ],
    { afterEpoch: 3, pointsBehind: 10 },
  );
  const epochs: Record<string, number> = {};
  const slope: Record<string, number> = { good: 0.04, close: 0.035, bad: 0.001 };
  const runTraining: StubbedActivities['runTraining'] = async (request) => {
    const attempt = await trainTen((variant, epoch) => (slope[variant] ?? 0) * epoch, 'bad')(request);
    epochs[variantOf(request.plan.input)] = attempt.epoch ?? 0;
    return attempt;
  };
  await withWorkers({ ...tested({ good: 0.4, close: 0.35, bad: 0.01 }), runTraining }, async (client) => {
    const handle = await startSweep(client, input);
    const { winner, variants } = await handle.result();
    expect(winner).toBe('good');
    expect(epochs).toMatchObject({ good: 10, close: 10 });
    expect(epochs['bad']).toBeLessThan(10);
    expect(epochs['bad']).toBeGreaterThanOrEqual(3);
    const [, close, bad] = variants;
    expect([close?.stoppedEarly, bad?.state]).toEqual([null, 'done']);
    expect(bad?.stoppedEarly).toMatch(
      /^after epoch \d: box AP 0\.\d at epoch [3-9] is \d+\.\d points below (good|close) \(\d+\.\d\); the rule allows 10 from epoch 3$/,
    );
    expect((await statusOf(handle)).variants[0]?.scores.length).toBeGreaterThan(3);
  });
});

test('compareRecipes survives a lost worker, and cancels its runs when it is cancelled', async () => {
  const input = freshSweep([
    { name: 'a', change: {} },
    { name: 'b', change: {} },
  ]);
  let open = false;
  const trained: string[] = [];
  const runTraining: StubbedActivities['runTraining'] = async ({ plan, attempt }) => {
    trained.push(variantOf(plan.input));
    while (!open) {
      const { cancellationDetails: why } = Context.current();
      if (why?.workerShutdown) throw ApplicationFailure.create({ type: 'WorkerStopping', message: 'going' });
      if (why?.cancelRequested) return anAttempt({ attempt, outcome: 'preempted' });
      Context.current().heartbeat();
      await sleep(50);
    }
    return anAttempt({ attempt });
  };
  const activities = { ...tested({ a: 0.3, b: 0.4 }), runTraining };
  await withWorkers(activities, async (client) => {
    await startSweep(client, input);
    await until(() => Promise.resolve(trained.length === 2 || undefined));
  });
  open = true;
  await withWorkers(activities, async (client) => {
    const handle = client.workflow.getHandle<typeof compareRecipes>(compareId(input.name));
    expect((await handle.result()).winner).toBe('b');
  });

  open = false;
  trained.length = 0;
  const cancelled = { ...input, name: freshInput().name };
  await withWorkers(activities, async (client) => {
    const handle = await startSweep(client, cancelled);
    await until(() => Promise.resolve(trained.length === 2 || undefined));
    await handle.cancel();
    await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
    const child = await client.workflow.getHandle(workflowId(`${cancelled.name}-a`)).describe();
    expect(child.status.name).toBe('CANCELLED');
    expect((await statusOf(handle)).variants.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
  });
});

test('compareRecipes compares the results of real runs that queue for one GPU lease', async () => {
  const input = freshSweep([
    { name: 'a', change: {} },
    { name: 'b', change: { seed: 8 } },
    { name: 'c', change: { epochs: 1 } },
  ]);
  const { writeReport, writeComparison } = createControlActivities(run.dependencies);
  const { runTraining, runTest } = createGpuActivities(run.dependencies);
  const resolvePlan: StubbedActivities['resolvePlan'] = (one) =>
    Promise.resolve({ ...miniPlan, runId: one.name, epochs: one.epochs, seed: one.seed, input: one });
  await withWorkers({ resolvePlan, runTraining, runTest, writeReport, writeComparison }, async (client) => {
    const handle = await startSweep(client, input);
    const { winner, variants } = await handle.result();
    const scores = variants.map(({ result }) => result?.bboxAP ?? 0);
    expect(winner).toBe(['a', 'b', 'c'][scores.indexOf(Math.max(...scores))]);
    const folder = homeFolders(run.dependencies.home).comparison(input.name);
    const { comparison } = SweepReport.parse(JSON.parse(await readFile(`${folder}/comparison.json`, 'utf8')));
    expect(comparison?.plan.map(({ field }) => field)).toEqual(['epochs', 'seed']);
    expect(comparison?.metrics[0]?.differences[0]?.interval).toHaveLength(2);
    const lastEpochs = (await statusOf(handle)).variants.map(({ scores: all }) => all.at(-1)?.epoch);
    expect(lastEpochs[0]).toBe(3);
  });
});
