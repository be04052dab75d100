/** Tests recovery with a real workflow, worker and supervisor, and the fake trainer. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { execa } from 'execa';
import { afterEach, describe, expect, test } from 'vitest';
import { createGpuActivities } from '../../../activities/index.ts';
import { readJson } from '../../../activities/shared/files/json-file.ts';
import { readProgress } from '../../../activities/shared/run/progress-reader.ts';
import { CheckpointManifest, RecoveryPolicy, RunStatus, type RunPlan } from '../../../configs/schema/index.ts';
import { startRun } from '../../../infra/client/start-run.ts';
import type { trainDetector } from '../../../workflows/index.ts';
import {
  checkpointNowUpdate,
  extendEpochsUpdate,
  pauseUpdate,
  resumeUpdate,
  stopAfterEpochUpdate,
} from '../../../workflows/train/control-handlers.ts';
import { createMiniRun, miniPlan, type MiniRun } from '../../helpers/mini-run.ts';
import { freshInput, withWorkers } from '../../helpers/workflow-env.ts';

type Handle = WorkflowHandle<typeof trainDetector>;

const runs: MiniRun[] = [];
afterEach(() => Promise.all(runs.splice(0).map((run) => run.remove())));

async function createRun(...switches: string[]): Promise<MiniRun> {
  const run = await createMiniRun(...switches);
  runs.push(run);
  return run;
}

/** A cancellation reaches the activity with its next heartbeat. Training must last that long, even on a busy machine. */
const slowSteps = '0.5';

const plan: RunPlan = { ...miniPlan, batchPerGpu: 4 };
const withMini = <T>(run: MiniRun, body: (client: Client) => Promise<T>, resolved = plan): Promise<T> =>
  withWorkers(
    {
      ...createGpuActivities(run.dependencies),
      resolvePlan: () => Promise.resolve(resolved),
      checkMachine: () => Promise.resolve([]), // importing torch would take seconds
    },
    body,
  );

const statusOf = async (handle: Handle) => RunStatus.parse(await handle.query('status'));
const decisionsOf = async (handle: Handle) => (await statusOf(handle)).decisions.map(({ next }) => next);

async function untilStep(run: MiniRun, iteration: number): Promise<void> {
  const done = async () =>
    (await readProgress(run.folder.train.progress)).some(
      (event) => event.type === 'step' && event.iteration >= iteration,
    );
  while (!(await done())) await sleep(50);
}

/** Returns the sha256 of the fake trainer's final state, a hash chain over all steps. */
async function finalWeights({ folder }: MiniRun): Promise<string> {
  const names = (await readdir(folder.train.checkpoints)).filter((name) => name.endsWith('.json')).sort();
  const manifest = await readJson(`${folder.train.checkpoints}/${names.at(-1)}`, CheckpointManifest);
  return `${manifest?.iteration} ${manifest?.sha256}`;
}

/** Returns the final weights of the same run without failures. */
async function uninterrupted(...switches: string[]): Promise<string> {
  const run = await createRun(...switches);
  await withMini(run, async (client) => (await startRun(client, freshInput())).handle.result());
  return finalWeights(run);
}

test('trainDetector rolls back with a lower learning rate after NaN and finishes', async () => {
  const run = await createRun('--nan-at-step', '25');
  await withMini(run, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result();
    const { attempts, decisions, control } = await statusOf(handle);
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['crashed', 'finished']);
    expect(attempts[0]?.failure).toMatchObject({ class: 'diverged', reaction: 'rollback' });
    expect(decisions[0]?.change).toBe('rolled back to iteration 10; learning rate x 0.5');
    expect(attempts[1]).toMatchObject({ fromIteration: 10, quarantined: [{ file: 'e002-i000020.pth' }] });
    expect(control?.learningRateFactor).toBe(0.5);
  });
});

test('trainDetector accumulates gradients when out of memory and gets equal weights', async () => {
  const run = await createRun('--oom-at-step', '25');
  await withMini(run, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result();
    const { attempts, decisions } = await statusOf(handle);
    expect(attempts.map(({ failure }) => failure?.reaction)).toEqual([
      'accumulate-gradients',
      'accumulate-gradients',
      undefined,
    ]);
    expect(decisions[1]?.change).toContain('2 parts');
  });
  expect(await finalWeights(run)).toBe(await uninterrupted());
});

test('trainDetector kills a hung trainer, logs its stacks and trains again', async () => {
  const stallSeconds = { startup: 30, step: 1, validation: 30, saving: 30 };
  const run = await createRun('--hang-at-step', '15', '--fault-attempt', '1');
  const recovery = RecoveryPolicy.parse({ stallSeconds });
  const attempts = await withMini(
    run,
    async (client) => {
      const { handle } = await startRun(client, freshInput());
      await handle.result();
      return (await statusOf(handle)).attempts;
    },
    { ...plan, recovery },
  );
  expect(attempts.map(({ outcome }) => outcome)).toEqual(['hung', 'finished']);
  expect(attempts[0]?.cause).toContain('no heartbeat for');
  expect(attempts[0]?.logTail.join('\n')).toMatch(/Current thread|Thread 0x/);
  expect(await finalWeights(run)).toBe(await uninterrupted());
});

test('trainDetector stops after three attempts when one step always fails', async () => {
  const run = await createRun('--fail-at-step', '5', '--fail-message', 'no such thing');
  await withMini(run, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await handle.result().catch(() => undefined);
    const { attempts, stage } = await statusOf(handle);
    expect(stage).toBe('failed');
    expect(attempts).toHaveLength(3);
    expect(attempts[2]?.cause).toContain('no such thing');
    expect(await readdir(run.folder.train.failures)).toHaveLength(3);
  });
});

test('trainDetector leaves no process when paused and gets equal weights after a resume', async () => {
  const run = await createRun('--step-seconds', slowSteps);
  await withMini(run, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await untilStep(run, 4);
    const { iteration, seconds } = await handle.executeUpdate(pauseUpdate);
    expect(iteration).toBeGreaterThanOrEqual(4);
    expect(seconds).toBeLessThan(60);
    const { stdout } = await execa('pgrep', ['-fc', '--', `--job-dir ${run.folder.train.dir}`], { reject: false });
    expect(stdout).toBe('0');
    await handle.executeUpdate(resumeUpdate);
    await handle.result();
    const { attempts } = await statusOf(handle);
    expect(attempts[1]?.fromIteration).toBe(iteration);
  });
  expect(await finalWeights(run)).toBe(await uninterrupted());
});

test('trainDetector saves a checkpoint and changes its length on request', async () => {
  const run = await createRun('--step-seconds', slowSteps);
  await withMini(run, async (client) => {
    const { handle } = await startRun(client, freshInput());
    await untilStep(run, 2);
    const { checkpoint } = await handle.executeUpdate(checkpointNowUpdate);
    expect(checkpoint).toMatch(/^e00[01]-i0000\d\d\.pth$/);
    await handle.executeUpdate(extendEpochsUpdate, { args: [4] });
    await handle.executeUpdate(stopAfterEpochUpdate, { args: [2] });
    await handle.result();
  });
  expect(await finalWeights(run)).toMatch(/^20 /);
});

test('trainDetector resumes a cancelled run at its last step when started again', async () => {
  const run = await createRun('--step-seconds', slowSteps);
  const input = freshInput();
  await withMini(run, async (client) => {
    const first = await startRun(client, input);
    await untilStep(run, 4);
    await first.handle.cancel();
    await first.handle.result().catch(() => undefined);
    expect((await first.handle.describe()).status.name).toBe('CANCELLED');
    const { decisions, attempts } = await statusOf(first.handle);
    expect(decisions.at(-1)?.why).toMatch(/stopped in \d+\.\d s: checkpoint \d+ is complete/);

    const second = await startRun(client, input);
    expect(second.how).toBe('started');
    await second.handle.result();
    const status = await statusOf(second.handle);
    expect(status.attempts[0]?.fromIteration).toBe(attempts[0]?.toIteration);
  });
  expect(await finalWeights(run)).toBe(await uninterrupted());
});

const isRoot = process.getuid?.() === 0;
describe.skipIf(!isRoot)('on a disk of 64 MB', () => {
  const checkpointBytes = String(15 * 1024 * 1024);

  test('trainDetector keeps old checkpoints when the disk is full and resumes with free space', async () => {
    const run = await createRun('--checkpoint-bytes', checkpointBytes);
    const disk = `${run.dependencies.home}/runs`;
    await execa('mkdir', ['-p', disk]);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
    try {
      await writeFile(`${disk}/ballast`, Buffer.alloc(26 * 1024 * 1024)); // room for two checkpoints of three
      await withMini(run, async (client) => {
        const { handle } = await startRun(client, freshInput());
        while ((await statusOf(handle)).notice === null) await sleep(200);
        const { notice, attempts } = await statusOf(handle);
        expect(notice).toContain('The disk is full.');
        expect(notice).toContain('No space left on device');
        expect(attempts[0]).toMatchObject({ checkpoints: [20, 10], failure: { class: 'disk-full' } });
        await sleep(2_500);
        expect(await decisionsOf(handle)).toEqual(['wait-for-space']); // waits without further attempts
        await rm(`${disk}/ballast`);
        await handle.result();
        expect((await statusOf(handle)).notice).toBeNull();
      });
      expect(await finalWeights(run)).toBe(await uninterrupted('--checkpoint-bytes', checkpointBytes));
    } finally {
      await execa('umount', [disk]);
    }
  });
});
