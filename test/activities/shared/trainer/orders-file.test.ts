import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { handOnOrders } from '../../../../activities/shared/trainer/orders-file.ts';
import { jobFolder, type JobFolder } from '../../../../configs/paths.ts';
import { Orders } from '../../../../configs/schema/index.ts';
import { miniOrders } from '../../../helpers/mini-run.ts';

let job: JobFolder;
beforeEach(async () => {
  job = jobFolder(`${await mkdtemp(`${tmpdir()}/everswin-orders-`)}/train`);
});
afterEach(() => rm(dirname(job.dir), { recursive: true, force: true }));

const read = async () => Orders.parse(JSON.parse(await readFile(job.orders, 'utf8')));

test('orders are there before the job is', async () => {
  await handOnOrders(job, miniOrders);
  expect(await read()).toEqual(miniOrders);
});

test('the same orders leave the file alone, others replace it', async () => {
  await handOnOrders(job, miniOrders);
  const { ino } = await stat(job.orders);
  await handOnOrders(job, { ...miniOrders });
  expect((await stat(job.orders)).ino).toBe(ino);
  await handOnOrders(job, { ...miniOrders, epochs: 5 });
  expect(await read()).toMatchObject({ epochs: 5 });
});

test('a file that is no orders is replaced', async () => {
  await handOnOrders(job, miniOrders);
  await writeFile(job.orders, '{"v":1,"epo');
  await handOnOrders(job, miniOrders);
  expect(await read()).toEqual(miniOrders);
});
