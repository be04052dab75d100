import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bestCheckpoint, newestCheckpoint } from '../../../activities/lib/checkpoints.ts';
import { jobFolder, type JobFolder } from '../../../configs/paths.ts';
import type { TrainerEvent } from '../../../configs/schema.ts';

const planHash = 'a'.repeat(64);
let job: JobFolder;
beforeEach(async () => {
  job = jobFolder(await mkdtemp(`${tmpdir()}/everswin-checkpoints-`));
  await mkdir(job.checkpoints);
});
afterEach(() => rm(job.dir, { recursive: true, force: true }));

async function save(epoch: number, plan = planHash): Promise<string> {
  const content = `weights of epoch ${epoch}`;
  const file = `e${epoch}.pth`;
  await writeFile(`${job.checkpoints}/${file}`, content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const manifest = { v: 1, file, bytes: content.length, sha256, epoch, iteration: epoch * 10, planHash: plan };
  await writeFile(
    `${job.checkpoints}/e${epoch}.json`,
    JSON.stringify({ ...manifest, attempt: 1, fence: 1, createdAt: 1 }),
  );
  return `${job.checkpoints}/${file}`;
}

const validated = (epoch: number, AP: number): TrainerEvent => {
  const scores = { AP, AP50: AP, AP75: AP, APs: AP, APm: AP, APl: AP };
  return { v: 1, type: 'validation', t: 1, attempt: 1, epoch, iteration: epoch * 10, bbox: scores, segm: scores };
};

test('without a folder there is none', async () => {
  expect(await newestCheckpoint(jobFolder('/nowhere'), planHash)).toBeUndefined();
});

test('the newest is the one with the most iterations', async () => {
  await save(9);
  const newest = await save(10);
  expect((await newestCheckpoint(job, planHash))?.path).toBe(newest);
});

test.each([
  ['cut short', (path: string) => truncate(path, 5)],
  ['emptied', (path: string) => truncate(path, 0)],
  ['flipped in one bit', (path: string) => writeFile(path, 'weights of epoch 3')],
  ['gone', (path: string) => rm(path)],
  ['without a manifest', (path: string) => rm(path.replace('.pth', '.json'))],
  ['with half a manifest', (path: string) => truncate(path.replace('.pth', '.json'), 20)],
])('a newest one that is %s is passed over', async (_how, damage) => {
  const whole = await save(1);
  await damage(await save(2));
  expect((await newestCheckpoint(job, planHash))?.path).toBe(whole);
});

test('checkpoints of another plan only are an error that says so', async () => {
  await save(1, 'b'.repeat(64));
  await expect(newestCheckpoint(job, planHash)).rejects.toMatchObject({ code: 'PlanChanged' });
});

test('the best is the one with the highest validation box AP, the later of two equals', async () => {
  await save(1);
  await save(2);
  const best = await save(3);
  await save(4);
  const events = [validated(1, 0.3), validated(2, 0.5), validated(3, 0.5), validated(4, 0.4)];
  expect((await bestCheckpoint(job, planHash, events))?.path).toBe(best);
});

test('where nothing was validated the newest is tested', async () => {
  await save(1);
  const newest = await save(2);
  expect((await bestCheckpoint(job, planHash, []))?.path).toBe(newest);
});
