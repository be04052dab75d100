import { mkdir } from 'node:fs/promises';
import { z } from 'zod';
import { homeFolders } from '../../configs/paths.ts';
import { Sha256 } from '../../configs/schema/index.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { lockTarget } from '../shared/download/target-lock.ts';
import { readJson } from '../shared/files/json-file.ts';
import { writeFileWhole } from '../shared/files/whole-file.ts';

/** What a user's own file or folder held when it was taken into the store, and how it looked then. */
const Taken = z.object({ v: z.literal(1), look: Sha256, sha256: Sha256 });

/** The hash of what the source holds; undefined when it was never taken or looks otherwise since. */
export async function findTaken(home: string, url: string, look: string): Promise<string | undefined> {
  const taken = await readJson(takenPath(home, url), Taken);
  return taken?.look === look ? taken.sha256 : undefined;
}

/** @param look as it was before the source was read: what changed meanwhile must not pass for known. */
export async function recordTaken(home: string, url: string, look: string, sha256: string): Promise<void> {
  await writeFileWhole(takenPath(home, url), JSON.stringify({ v: 1, look, sha256 } satisfies z.infer<typeof Taken>));
}

/** One at a time takes a source; the next one finds it taken. */
export async function whileTaking<T>(
  { home, url, signal, onWait }: { home: string; url: string; signal: AbortSignal; onWait: () => void },
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(homeFolders(home).taken, { recursive: true });
  const unlock = await lockTarget(takenPath(home, url), { signal, onWait });
  try {
    return await work();
  } finally {
    await unlock();
  }
}

const takenPath = (home: string, url: string): string => `${homeFolders(home).taken}/${contentKey(url)}.json`;
