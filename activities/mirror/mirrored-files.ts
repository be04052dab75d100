import { readdir, stat } from 'node:fs/promises';
import type { RunFolder } from '../../configs/paths.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';

export interface MirroredFile {
  /** Relative to the run's folder. */
  path: string;
  bytes: number;
  mtimeMs: number;
  /** Grows all the time: it is not sent at each change. */
  grows: boolean;
}

/** Belongs to the processes of this host and is worth nothing on another one. */
const hostBound = new Set([
  'owner.json',
  'exit.json',
  'control.json',
  'watcher.json',
  'error.json',
  'lock',
  'trainer.log',
]);

/** Everything of a run that is mirrored beside its checkpoints: what lies directly in these folders. */
export async function listMirroredFiles(folder: RunFolder): Promise<MirroredFile[]> {
  const groups = await Promise.all([
    listFolder(folder, '', (name) => name.endsWith('.json')),
    listFolder(folder, 'plans/', (name) => name.endsWith('.json')),
    listFolder(folder, 'train/', (name) => name === 'progress.jsonl'),
    listFolder(folder, 'test/', (name) => !hostBound.has(name)),
    listFolder(folder, 'report/', () => true),
  ]);
  return groups.flat();
}

async function listFolder(
  { root }: RunFolder,
  under: string,
  wanted: (name: string) => boolean,
): Promise<MirroredFile[]> {
  const entries = await ignoreMissing(readdir(`${root}/${under}`, { withFileTypes: true }));
  const names = (entries ?? [])
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    // What is being written has a hidden name, or one that ends so.
    .filter((name) => wanted(name) && !name.startsWith('.') && !/\.(tmp|part)$/.test(name));
  const files = await Promise.all(
    names.map(async (name) => {
      const facts = await ignoreMissing(stat(`${root}/${under}${name}`));
      const grows = name.endsWith('.jsonl');
      return facts && { path: `${under}${name}`, bytes: facts.size, mtimeMs: facts.mtimeMs, grows };
    }),
  );
  return files.filter((file) => file !== undefined);
}
