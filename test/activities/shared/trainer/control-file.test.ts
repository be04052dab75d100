import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeControl } from '../../../../activities/shared/trainer/control-file.ts';
import { jobFolder, type JobFolder } from '../../../../configs/paths.ts';
import { TrainerControl } from '../../../../configs/schema/index.ts';
import { miniControl } from '../../../helpers/mini-run.ts';

let job: JobFolder;
beforeEach(async () => {
  job = jobFolder(`${await mkdtemp(`${tmpdir()}/everswin-orders-`)}/train`);
});
afterEach(() => rm(dirname(job.dir), { recursive: true, force: true }));

const read = async () => TrainerControl.parse(JSON.parse(await readFile(job.orders, 'utf8')));

test('orders are there before the job is', async () => {
  await writeControl(job, miniControl);
  expect(await read()).toEqual(miniControl);
});

test('the same orders leave the file alone, others replace it', async () => {
  await writeControl(job, miniControl);
  const { ino } = await stat(job.orders);
  await writeControl(job, { ...miniControl });
  expect((await stat(job.orders)).ino).toBe(ino);
  await writeControl(job, { ...miniControl, epochs: 5 });
  expect(await read()).toMatchObject({ epochs: 5 });
});

test('a file that is no orders is replaced', async () => {
  await writeControl(job, miniControl);
  await writeFile(job.orders, '{"v":1,"epo');
  await writeControl(job, miniControl);
  expect(await read()).toEqual(miniControl);
});
