import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { namespace } from '../configs/names.ts';

/** The one reader of process.env. What a worker may be told from outside, and what its trainer gets to see. */
const WorkerEnv = z.object({
  TEMPORAL_ADDRESS: z.string().default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().default(namespace),
  EVERSWIN_HOME: z.string().default(`${import.meta.dirname}/../.everswin`),
  /** Where the embedded stack serves the miniature COCO. */
  EVERSWIN_DEMO_URL: z.url().optional(),
});

export const readEnv = () => WorkerEnv.parse(process.env);

/** Without Temporal's or any store's credentials: the trainer has no business with them. */
const passedToTrainer = /^(PATH|HOME|LANG|TMPDIR|LD_LIBRARY_PATH|CUDA_VISIBLE_DEVICES|OMP_NUM_THREADS|NCCL_[A-Z_]+)$/;

export const trainerEnv = (): Record<string, string> => ({
  ...Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      passedToTrainer.test(name) && value !== undefined ? [[name, value]] : [],
    ),
  ),
  PYTHONPATH: projectFile('trainer'),
  PYTHONUNBUFFERED: '1',
  // Threads that spin while they wait for one another starve everything else on a small machine.
  OMP_WAIT_POLICY: 'PASSIVE',
});

export const projectFile = (path: string): string => `${import.meta.dirname}/../${path}`;

const PackageJson = z.object({ version: z.string() });

export const readVersions = () => ({
  everswin: PackageJson.parse(JSON.parse(readFileSync(projectFile('package.json'), 'utf8'))).version,
  trainerLock: createHash('sha256')
    .update(readFileSync(projectFile('trainer/requirements.lock')))
    .digest('hex'),
});
