import { mkdir, readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { homeFolders, runFolder, type RunFolder } from '../../configs/paths.ts';
import { RunReferences, type FetchedDataset, type FetchedWeights } from '../../configs/schema/index.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { readJson } from '../shared/files/json-file.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';

/** Records the objects that a run needs. Pruning reads the references after moving an object, so it moves these back. */
export async function writeReferences(folder: RunFolder, dataset: FetchedDataset, weights: FetchedWeights) {
  const references: RunReferences = {
    v: 1,
    objects: [...dataset.archives, weights.source, weights.converted].map(({ sha256 }) => sha256),
    datasets: [basename(dataset.root)],
  };
  await mkdir(folder.root, { recursive: true });
  await writeFileAtomic(folder.references, JSON.stringify(references));
}

interface References {
  /** Maps a sha256 or data set key to the runs that need it. */
  readonly by: ReadonlyMap<string, string[]>;
}

/** Reads the references of all runs of this home. A run keeps its references until its folder is deleted. */
export async function readReferences(home: string): Promise<References> {
  const by = new Map<string, string[]>();
  for (const runId of await listRuns(home)) {
    const references = await readJson(runFolder(home, runId).references, RunReferences);
    for (const key of [...(references?.objects ?? []), ...(references?.datasets ?? [])]) {
      by.set(key, [...(by.get(key) ?? []), runId]);
    }
  }
  return { by };
}

/** Lists the runs of this home. The folder of a run may be a symbolic link, for example to a larger disk. */
export async function listRuns(home: string): Promise<string[]> {
  const entries = (await ignoreMissing(readdir(homeFolders(home).runs, { withFileTypes: true }))) ?? [];
  return entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map((entry) => entry.name);
}
