import { readdir, stat } from 'node:fs/promises';
import type { RunFolder } from '../../configs/paths.ts';
import { ignoreMissing } from '../shared/files/ignore-missing.ts';

export interface MirroredFile {
  /** Path relative to the run folder. */
  path: string;
  bytes: number;
  mtimeMs: number;
  /** True for files that are appended to continuously; they are not uploaded on each change. */
  grows: boolean;
}

/** Files that describe processes of this host, which other hosts cannot use. */
const hostBound = new Set([
  'owner.json',
  'exit.json',
  'control.json',
  'watcher.json',
  'error.json',
  'lock',
  'trainer.log',
]);

/** Lists the files of a run that are mirrored in addition to its checkpoints. */
export async function listMirroredFiles(folder: RunFolder): Promise<MirroredFile[]> {
  const groups = await Promise.all([
    listFolder(folder, '', (name) => name.endsWith('.json')),
    listFolder(folder, 'plans/', (name) => name.endsWith('.json')),
    listFolder(folder, 'train/', (name) => name === 'progress.jsonl'),
    listFolder(folder, 'test/', (name) => !hostBound.has(name)),
    listFolder(folder, 'report/', () => true),
    listFolder(folder, 'detector/', () => true),
  ]);
  return groups.flat();
}

async function listFolder(
  { root }: RunFolder,
  under: string,
  isMirrored: (name: string) => boolean,
): Promise<MirroredFile[]> {
  const entries = await ignoreMissing(readdir(`${root}/${under}`, { withFileTypes: true }));
  const names = (entries ?? [])
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    // Unfinished files are hidden or end in .tmp or .part.
    .filter((name) => isMirrored(name) && !name.startsWith('.') && !/\.(tmp|part)$/.test(name));
  const files = await Promise.all(
    names.map(async (name) => {
      const facts = await ignoreMissing(stat(`${root}/${under}${name}`));
      const grows = name.endsWith('.jsonl');
      return facts && { path: `${under}${name}`, bytes: facts.size, mtimeMs: facts.mtimeMs, grows };
    }),
  );
  return files.filter((file) => file !== undefined);
}
