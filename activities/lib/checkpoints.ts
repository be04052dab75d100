import { readdir, stat } from 'node:fs/promises';
import type { JobFolder } from '../../configs/paths.ts';
import { CheckpointManifest, type TrainerEvent } from '../../configs/schema.ts';
import { CodedError, systemErrorCode } from './coded-error.ts';
import { readJson } from './json-file.ts';
import { sha256OfFile } from './whole-file.ts';

/** A checkpoint whose manifest was just held against the file. */
export interface Checkpoint {
  path: string;
  manifest: CheckpointManifest;
}

/**
 * The newest checkpoint that is whole (size and sha256 as its manifest says) and belongs to this plan.
 * `last_checkpoint` files and file names are never trusted.
 * @throws CodedError PlanChanged when the folder holds only checkpoints of another plan.
 */
export async function newestCheckpoint(job: JobFolder, planHash: string): Promise<Checkpoint | undefined> {
  const manifests = await listManifests(job);
  const ours = manifests.filter((manifest) => manifest.planHash === planHash);
  if (ours.length === 0 && manifests.length > 0) {
    throw new CodedError(
      'PlanChanged',
      `${job.checkpoints} holds checkpoints of another plan, none of ${planHash.slice(0, 12)}.`,
    );
  }
  for (const manifest of ours.sort((a, b) => b.iteration - a.iteration)) {
    if (await isWhole(job, manifest)) return { path: `${job.checkpoints}/${manifest.file}`, manifest };
  }
  return undefined;
}

/** The whole checkpoint with the best validation box AP; the newest one where nothing was validated. */
export async function bestCheckpoint(
  job: JobFolder,
  planHash: string,
  events: TrainerEvent[],
): Promise<Checkpoint | undefined> {
  const scores = new Map<number, number>();
  for (const event of events) {
    if (event.type === 'validation') scores.set(event.iteration, event.bbox.AP ?? -1);
  }
  const candidates = (await listManifests(job))
    .filter((manifest) => manifest.planHash === planHash && scores.has(manifest.iteration))
    .sort((a, b) => (scores.get(b.iteration) ?? -1) - (scores.get(a.iteration) ?? -1) || b.iteration - a.iteration);
  for (const manifest of candidates) {
    if (await isWhole(job, manifest)) return { path: `${job.checkpoints}/${manifest.file}`, manifest };
  }
  return newestCheckpoint(job, planHash);
}

async function listManifests(job: JobFolder): Promise<CheckpointManifest[]> {
  const names = await readdir(job.checkpoints).catch((error: unknown) => {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const manifests = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .map((name) => readJson(`${job.checkpoints}/${name}`, CheckpointManifest)),
  );
  return manifests.filter((manifest) => manifest !== undefined);
}

async function isWhole(job: JobFolder, manifest: CheckpointManifest): Promise<boolean> {
  const path = `${job.checkpoints}/${manifest.file}`;
  try {
    return (await stat(path)).size === manifest.bytes && (await sha256OfFile(path)) === manifest.sha256;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
