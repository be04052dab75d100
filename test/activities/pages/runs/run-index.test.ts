import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRunIndex, type RunRow } from '../../../../activities/pages/runs/run-index.ts';
import { renderRunList } from '../../../../activities/pages/runs/render-run-list.ts';
import { writeFileAtomic } from '../../../../activities/shared/files/atomic-file.ts';
import { formatInstant } from '../../../../activities/shared/summary/format-time.ts';
import { processStartTicks } from '../../../../activities/shared/trainer/process-identity.ts';
import { runFolder } from '../../../../configs/paths.ts';
import { TrainerOwner } from '../../../../configs/schema/index.ts';
import { hostileTexts } from '../../../fixtures/hostile-texts.ts';
import { stepEvent } from '../../../fixtures/sample-report.ts';
import { writeSampleRuns } from '../../../fixtures/sample-runs.ts';
import { findTagErrors } from '../../report/tag-errors.ts';

const now = Date.now() / 1000;
let home: string;
let list: () => Promise<RunRow[]>;
beforeEach(async () => {
  home = await mkdtemp(`${tmpdir()}/everswin-index-`);
  await writeSampleRuns(home, now);
  list = createRunIndex(home);
});
afterEach(() => rm(home, { recursive: true }));

const rowOf = async (runId: string): Promise<RunRow> =>
  (await list()).find((row) => row.runId === runId) ?? expect.fail(`no run ${runId}`);

test('createRunIndex tells the stage of each run and why it waits or stopped', async () => {
  await symlink(runFolder(home, 'sheep-oom').root, runFolder(home, 'linked').root);
  const rows = await list();
  const memory = 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.20 GiB. GPU 1 has a total capacity';
  expect(rows.map(({ runId, stage, reason }) => [runId, stage, reason])).toEqual([
    [
      'sheep-typo',
      'failed',
      'UnknownRecipe: recipe: expected one of the recipes of configs/mmdet, got "cascade-mask-rcnn_swin-x".',
    ],
    ['sheep-next', 'preparing', null],
    ['sheep-swin-b', 'queued', 'Waiting for 2 GPUs: position 2 in the queue; behind sheep-swin-s of user ana (1)'],
    ['sheep-swin-t', 'training', null],
    ['sheep-stopped', 'stopped', 'Paused, or stopped with its worker.'],
    ['sheep-cancelled', 'cancelled', `Cancelled ${formatInstant(now - 5 * 3600)}.`],
    ['sheep-retry', 'interrupted', `Rank 1 ended with code 1: ${memory} of 23.64 GiB`],
    [
      'sheep-oom',
      'failed',
      'OutOfGpuMemory: The GPU ran out of memory: a batch with many objects, or another process on the same GPU.',
    ],
    ['demo-trained', 'trained', null],
    ['coco-baseline', 'completed', null],
    ['coco-lower-rate', 'completed', null],
    ['coco-longer-name-of-a-run-that-needs-two-lines', 'completed', null],
  ]);
});

test('createRunIndex tells progress, scores and cost', async () => {
  const { progress, share, boxAP, validations, deviceHours, device, recipe, dataset } = await rowOf('sheep-swin-t');
  expect([progress.epoch, progress.epochs, share]).toEqual([8, 12, 310 / 480]);
  expect(validations.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(boxAP).toBe(validations.at(-1)?.boxAP);
  expect(deviceHours).toBeCloseTo((2 * 310 * 9) / 3600);
  expect([device, recipe, dataset]).toEqual(['GPU', 'cascade-mask-rcnn_swin-t_3x', 'sheep-from-cvat']);
  const completed = await rowOf('coco-baseline');
  expect(completed.boxAP).toBeCloseTo(0.5);
});

test('createRunIndex reads appended events and replaced files', async () => {
  const { train } = runFolder(home, 'sheep-swin-t');
  await list();
  await appendFile(train.progress, `${JSON.stringify(stepEvent({ t: now, epoch: 8, iteration: 312 }))}\n`);
  expect((await rowOf('sheep-swin-t')).progress.iteration).toBe(312);
  await writeFileAtomic(train.control, JSON.stringify({ v: 1, epochs: 8 }));
  expect((await rowOf('sheep-swin-t')).progress.epochs).toBe(8);
});

test('createRunIndex notices the death of a trainer, which changes no file', async () => {
  const { train } = runFolder(home, 'sheep-swin-t');
  const trainer = spawn('sleep', ['60']);
  const pid = trainer.pid ?? expect.fail('sleep did not start');
  const owner = TrainerOwner.parse(JSON.parse(await readFile(train.owner, 'utf8')));
  await writeFileAtomic(train.owner, JSON.stringify({ ...owner, pid, startTicks: await processStartTicks(pid) }));
  expect((await rowOf('sheep-swin-t')).stage).toBe('training');
  const isOver = once(trainer, 'exit');
  trainer.kill();
  await isOver;
  const { stage, reason } = await rowOf('sheep-swin-t');
  expect([stage, reason]).toEqual(['interrupted', `The trainer's supervisor (pid ${pid}) is gone.`]);
});

test('renderRunList escapes texts of the runs', async () => {
  const [row] = await list();
  const rows = hostileTexts.map((text) => ({ ...(row ?? expect.fail()), reason: text, recipe: text, dataset: text }));
  const html = renderRunList(rows, now).replace(/<script>[^]*<\/script>/, '');
  expect(findTagErrors(html)).toEqual([]);
  expect(html).not.toMatch(/<(script|img|iframe|form|base)\b|\son\w+="/i);
});
