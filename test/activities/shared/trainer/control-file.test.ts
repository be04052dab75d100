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
  job = jobFolder(`${await mkdtemp(`${tmpdir()}/everswin-control-`)}/train`);
});
afterEach(() => rm(dirname(job.dir), { recursive: true, force: true }));

const read = async () => TrainerControl.parse(JSON.parse(await readFile(job.control, 'utf8')));

test('writeControl creates the job folder when it is missing', async () => {
  await writeControl(job, miniControl);
  expect(await read()).toEqual(miniControl);
});

test('writeControl keeps a file of equal values and replaces one of other values', async () => {
  await writeControl(job, miniControl);
  const { ino } = await stat(job.control);
  await writeControl(job, { ...miniControl });
  expect((await stat(job.control)).ino).toBe(ino);
  await writeControl(job, { ...miniControl, epochs: 5 });
  expect(await read()).toMatchObject({ epochs: 5 });
});

test('writeControl replaces a torn file', async () => {
  await writeControl(job, miniControl);
  await writeFile(job.control, '{"v":1,"epo');
  await writeControl(job, miniControl);
  expect(await read()).toEqual(miniControl);
});
