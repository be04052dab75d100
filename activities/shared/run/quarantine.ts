import { mkdir, readdir, rename, rm, lstat } from 'node:fs/promises';
import type { JobFolder } from '../../../configs/paths.ts';
import type { Quarantined } from '../../../configs/schema/index.ts';
import { systemErrorCode } from '../errors/coded-error.ts';
import { syncFolder, writeFileAtomic } from '../files/atomic-file.ts';

const maxFiles = 3;

/**
 * Moves a checkpoint to the quarantine folder. The manifest moves first, because a checkpoint exists only with one; after
 * a crash in between, the trainer deletes the file. Call it only while no trainer of this job is alive.
 */
export async function quarantine(job: JobFolder, name: string, why: string): Promise<Quarantined> {
  const file = `${name}.pth`;
  await mkdir(job.quarantine, { recursive: true });
  await writeReason(`${job.quarantine}/${name}.why.json`, { v: 1, file, why, at: Date.now() / 1000 });
  for (const moved of [`${name}.json`, file]) {
    await moveIfExists(`${job.checkpoints}/${moved}`, `${job.quarantine}/${moved}`);
    await syncFolder(job.checkpoints);
  }
  await prune(job.quarantine);
  await syncFolder(job.quarantine);
  return { file, why };
}

/** Keeps all manifests and reasons, but only the newest checkpoint files, which take gigabytes. */
async function prune(folder: string): Promise<void> {
  const paths = (await readdir(folder)).filter((name) => name.endsWith('.pth')).map((name) => `${folder}/${name}`);
  const dated = await Promise.all(paths.map(async (path) => ({ path, at: (await lstat(path)).ctimeMs })));
  const old = dated.sort((a, b) => b.at - a.at).slice(maxFiles);
  for (const { path } of old) await rm(path, { force: true });
}

/** Writes the reason. Best effort: a damaged checkpoint must be moved even if the disk is full. */
async function writeReason(path: string, reason: object): Promise<void> {
  try {
    await writeFileAtomic(path, JSON.stringify(reason));
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
  }
}

async function moveIfExists(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
  }
}
