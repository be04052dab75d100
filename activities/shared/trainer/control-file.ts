import { mkdir } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { JobFolder } from '../../../configs/paths.ts';
import { TrainerControl } from '../../../configs/schema/index.ts';
import { readJson } from '../files/json-file.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';

/** Puts the orders where the trainer reads them. A file that says the same already stays as it is. */
export async function writeControl(job: JobFolder, orders: TrainerControl): Promise<void> {
  const { v, epochs, checkpointNow, learningRateFactor, fp32, accumulate } = orders;
  const wanted: TrainerControl = { v, epochs, checkpointNow, learningRateFactor, fp32, accumulate };
  if (isDeepStrictEqual(await readJson(job.orders, TrainerControl), wanted)) return;
  await mkdir(job.dir, { recursive: true });
  await writeFileAtomic(job.orders, JSON.stringify(wanted));
}
