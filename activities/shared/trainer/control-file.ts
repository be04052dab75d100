import { mkdir } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { JobFolder } from '../../../configs/paths.ts';
import { TrainerControl } from '../../../configs/schema/index.ts';
import { readJson } from '../files/json-file.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';

/** Writes the control file, which the trainer polls. A file with equal values is left untouched. */
export async function writeControl(job: JobFolder, control: TrainerControl): Promise<void> {
  const { v, epochs, checkpointNow, learningRateFactor, fp32, accumulate, gpus } = control;
  const next: TrainerControl = { v, epochs, checkpointNow, learningRateFactor, fp32, accumulate };
  if (gpus !== undefined) next.gpus = gpus;
  if (isDeepStrictEqual(await readControl(job), next)) return;
  await mkdir(job.dir, { recursive: true });
  await writeFileAtomic(job.control, JSON.stringify(next));
}

/** Reads the control file; undefined if there is none. */
export const readControl = (job: JobFolder): Promise<TrainerControl | undefined> =>
  readJson(job.control, TrainerControl);
