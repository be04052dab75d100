import { mkdir, readdir, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { homeFolders, runFolder, type RunFolder } from '../../configs/paths.ts';
import { RunReferences, type FetchedDataset, type FetchedWeights } from '../../configs/schema/index.ts';
import { CodedError } from '../shared/errors/coded-error.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { parseJson, readIfPresent } from '../shared/files/json-file.ts';
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

/**
 * Reads the references of all runs of this home. A run keeps its references until its folder is deleted.
 * @throws CodedError StorageUnavailable when those of a run cannot be read, so that nothing it needs is pruned.
 */
export async function readReferences(home: string): Promise<References> {
  const by = new Map<string, string[]>();
  for (const runId of await listRuns(home)) {
    const references = await readReferencesOf(runFolder(home, runId));
    for (const key of [...(references?.objects ?? []), ...(references?.datasets ?? [])]) {
      by.set(key, [...(by.get(key) ?? []), runId]);
    }
  }
  return { by };
}

async function readReferencesOf({ root, references: path }: RunFolder): Promise<RunReferences | undefined> {
  if ((await ignoreMissing(stat(root))) === undefined)
    throw unknownNeeds(root, `${root} is a link to nowhere. Mount its disk, or delete the link.`);
  const text = await readIfPresent(path);
  if (text === undefined) return undefined;
  const references = parseJson(text, RunReferences);
  if (references !== undefined) return references;
  throw unknownNeeds(
    root,
    `${path} is damaged. Start the run again, which writes it, or delete the folder of the run.`,
  );
}

const unknownNeeds = (root: string, why: string): CodedError =>
  new CodedError('StorageUnavailable', `It is unknown what the run ${basename(root)} needs: ${why}`);

/** Lists the runs of this home. The folder of a run may be a symbolic link, for example to a larger disk. */
export async function listRuns(home: string): Promise<string[]> {
  const entries = (await ignoreMissing(readdir(homeFolders(home).runs, { withFileTypes: true }))) ?? [];
  return entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map((entry) => entry.name);
}
