import type { JobFolder } from '../../../configs/paths.ts';
import type { CheckpointManifest, TrainerEvent } from '../../../configs/schema/index.ts';
import { writeFileAtomic } from '../files/atomic-file.ts';
import { checkpointPath, listManifests, listUnrecorded, manifestPath } from '../files/checkpoint-files.ts';
import { findDamage } from './checkpoint-damage.ts';
import { readWithoutSteps } from './progress-reader.ts';

/**
 * Writes missing and torn manifests again, if progress.jsonl proves hash, position and plan of the file. A file that was
 * moved to the quarantine only in part is left alone. Call it only while no trainer of the job is alive.
 */
export async function rebuildManifests(job: JobFolder, assertFence: () => Promise<void>): Promise<void> {
  const names = await listUnrecorded(job.checkpoints);
  if (names.length === 0) return;
  const discarded = new Set((await listManifests(job.quarantine)).map(({ manifest }) => manifest?.sha256));
  const saved = readSavedManifests(await readWithoutSteps(job.progress)).filter(({ sha256 }) => !discarded.has(sha256));
  for (const name of names) {
    const manifest = await findIntact(job, name, saved);
    if (manifest === undefined) continue;
    await assertFence();
    await writeFileAtomic(manifestPath(job, name), JSON.stringify(manifest));
  }
}

async function findIntact(
  job: JobFolder,
  name: string,
  saved: readonly CheckpointManifest[],
): Promise<CheckpointManifest | undefined> {
  const path = checkpointPath(job, name);
  for (const manifest of saved.filter(({ file }) => path.endsWith(`/${file}`)))
    if ((await findDamage(path, manifest)) === undefined) return manifest;
  return undefined;
}

/** Reads the manifests of all saved checkpoints from the events of their trainers. */
function readSavedManifests(events: readonly TrainerEvent[]): CheckpointManifest[] {
  const manifests: CheckpointManifest[] = [];
  let started: Extract<TrainerEvent, { type: 'started' }> | undefined;
  for (const event of events) {
    if (event.type === 'started') started = event;
    if (event.type !== 'checkpoint' || started?.planHash === undefined) continue;
    const { file, bytes, sha256, epoch, iteration, attempt, t } = event;
    const { planHash, fence, versions } = started;
    const torch = versions['torch'] ?? null;
    manifests.push({ v: 1, file, bytes, sha256, epoch, iteration, planHash, attempt, fence, createdAt: t, torch });
  }
  return manifests;
}
