import { mkdir } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { JobFolder } from '../../../configs/paths.ts';
import { Orders } from '../../../configs/schema/index.ts';
import { readJson } from '../files/json-file.ts';
import { writeFileWhole } from '../files/whole-file.ts';

/** Puts the orders where the trainer reads them. A file that says the same already stays as it is. */
export async function handOnOrders(job: JobFolder, orders: Orders): Promise<void> {
  const { v, epochs, checkpointNow, learningRateFactor, fp32, accumulate } = orders;
  const wanted: Orders = { v, epochs, checkpointNow, learningRateFactor, fp32, accumulate };
  if (isDeepStrictEqual(await readJson(job.orders, Orders), wanted)) return;
  await mkdir(job.dir, { recursive: true });
  await writeFileWhole(job.orders, JSON.stringify(wanted));
}
