/** Creates a run folder with checkpoints, without running a trainer. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { findResumePoint, type ResumePoint } from '../../activities/shared/run/checkpoints.ts';
import { runFolder, type RunFolder } from '../../configs/paths.ts';
import type { CheckpointManifest, Rollback, RunPlan } from '../../configs/schema/index.ts';
import { miniPlan } from './mini-run.ts';
import { projectRoot } from './project.ts';

export interface CheckpointFolder {
  folder: RunFolder;
  /** Writes file and manifest; returns the file's name. */
  save: (over?: Partial<CheckpointManifest>, content?: Uint8Array | string) => Promise<string>;
  path: (file: string) => string;
  archivePlan: (plan: RunPlan) => Promise<void>;
  /** Writes the `started` event of a trainer, which determines where its epochs end. */
  writeStarted: (fence: number, iterationsPerEpoch: number) => Promise<void>;
  find: (plan?: RunPlan, rollback?: Rollback | null) => Promise<ResumePoint>;
  remove: () => Promise<void>;
}

export async function createCheckpointFolder(): Promise<CheckpointFolder> {
  const home = await mkdtemp(`${tmpdir()}/everswin-checkpoints-`);
  const folder = runFolder(home, miniPlan.runId);
  const job = folder.train;
  await mkdir(job.checkpoints, { recursive: true });
  const path = (file: string) => `${job.checkpoints}/${file}`;
  return {
    folder,
    path,
    save: async (over = {}, content = `weights of iteration ${over.iteration ?? 10}`) => {
      const { epoch = 1, iteration = epoch * 10 } = over;
      const name = `e${String(epoch).padStart(3, '0')}-i${String(iteration).padStart(6, '0')}`;
      const file = `${name}.pth`;
      await writeFile(path(file), content);
      const sha256 = createHash('sha256').update(content).digest('hex');
      const manifest = { v: 1, file, bytes: Buffer.byteLength(content), sha256, epoch, iteration } as const;
      const origin = { planHash: miniPlan.planHash, attempt: 1, fence: 1, createdAt: iteration, torch: null };
      await writeFile(path(`${name}.json`), JSON.stringify({ ...manifest, ...origin, ...over }));
      return file;
    },
    archivePlan: async (plan) => {
      await mkdir(dirname(folder.plans(plan.planHash)), { recursive: true });
      await writeFile(folder.plans(plan.planHash), JSON.stringify(plan));
    },
    writeStarted: async (fence, iterationsPerEpoch) => {
      const event = { v: 1, type: 'started', t: 1, attempt: fence, fence, epoch: 0, iteration: 0, iterationsPerEpoch };
      const rest = { epochs: 3, worldSize: 1, device: 'cpu', resumedFrom: null, pids: [], versions: {} };
      await writeFile(job.progress, `${JSON.stringify({ ...event, ...rest })}\n`, { flag: 'a' });
    },
    find: (plan = miniPlan, rollback = null) =>
      findResumePoint({ folder, plan, rollback, assertFence: () => Promise.resolve() }),
    remove: () => rm(home, { recursive: true, force: true }),
  };
}

/** Reads a small checkpoint that torch wrote. */
export const readTorchCheckpoint = (): Promise<Buffer> => readFile(`${projectRoot}/test/fixtures/torch-checkpoint.pth`);
