import { readdir, rename, rm, stat } from 'node:fs/promises';
import { homeFolders } from '../../configs/paths.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';
import { listObjects, manifestPath } from '../shared/store/objects.ts';
import { readReferences } from '../plan/references.ts';

interface PrunedEntry {
  kind: 'object' | 'data set' | 'download' | 'copy of a prefix';
  name: string;
  bytes: number;
}

/**
 * Removes entries that no run references and that have not changed for `olderThanMs`. Each entry is moved aside before the
 * references are read again, and is moved back if a run has referenced it in between.
 */
export async function pruneStore(home: string, olderThanMs: number, dryRun: boolean): Promise<PrunedEntry[]> {
  const folders = homeFolders(home);
  const isOld = async (path: string) => Date.now() - (await stat(path)).ctimeMs >= olderThanMs;
  const isUnreferenced = async (key: string) => !(await readReferences(home)).by.has(key);
  const pruned: PrunedEntry[] = [];
  const prune = async (kind: PrunedEntry['kind'], name: string, path: string, bytes: number): Promise<boolean> => {
    if (!(await isOld(path)) || !(await isUnreferenced(name))) return false;
    if (!dryRun && !(await removeIfUnreferenced(path, () => isUnreferenced(name)))) return false;
    pruned.push({ kind, name, bytes });
    return true;
  };
  for (const { sha256, mark } of await listObjects(home)) {
    const path = folders.object(sha256);
    const isPruned = await prune('object', sha256, path, mark.bytes);
    if (isPruned && !dryRun) await rm(manifestPath(path), { force: true });
  }
  for (const name of await listVisible(folders.datasets))
    await prune('data set', name, `${folders.datasets}/${name}`, 0);
  for (const name of await listVisible(folders.downloads)) {
    const path = `${folders.downloads}/${name}`;
    await prune('download', name, path, (await stat(path)).size);
  }
  for (const name of await listVisible(folders.prefixes))
    await prune('copy of a prefix', name, folders.prefix(name), 0);
  return pruned;
}

async function removeIfUnreferenced(path: string, isUnreferenced: () => Promise<boolean>): Promise<boolean> {
  const aside = `${path}.pruned`;
  await rename(path, aside);
  if (await isUnreferenced()) {
    await rm(aside, { recursive: true, force: true });
    return true;
  }
  await rename(aside, path);
  return false;
}

async function listVisible(folder: string): Promise<string[]> {
  const names = (await ignoreMissing(readdir(folder))) ?? [];
  // Hidden files are locks and incomplete entries.
  return names.filter((name) => !name.startsWith('.'));
}
