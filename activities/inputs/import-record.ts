import { mkdir } from 'node:fs/promises';
import { z } from 'zod';
import { homeFolders } from '../../configs/paths.ts';
import { Sha256 } from '../../configs/schema/index.ts';
import { contentKey } from '../shared/steps/content-key.ts';
import { lockTarget } from '../shared/download/target-lock.ts';
import { readJson } from '../shared/files/json-file.ts';
import { writeFileAtomic } from '../shared/files/atomic-file.ts';

/** Content hash and signature of a mutable file or folder at the time of its import. */
const ImportRecord = z.object({ v: z.literal(1), signature: Sha256, sha256: Sha256 });

/** Returns the hash of an imported source; undefined when it was never imported or has changed since. */
export async function findImport(home: string, url: string, signature: string): Promise<string | undefined> {
  const record = await readJson(recordPath(home, url), ImportRecord);
  return record?.signature === signature ? record.sha256 : undefined;
}

/**
 * Records the import of a source.
 * @param signature of the source before it was read, so that a change during the import invalidates the record.
 */
export async function recordImport(home: string, url: string, signature: string, sha256: string): Promise<void> {
  await writeFileAtomic(
    recordPath(home, url),
    JSON.stringify({ v: 1, signature, sha256 } satisfies z.infer<typeof ImportRecord>),
  );
}

/** Runs `work` while no other run imports the same source. A run that had to wait finds the record of the first one. */
export async function withImportLock<T>(
  { home, url, signal, onWait }: { home: string; url: string; signal: AbortSignal; onWait: () => void },
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(homeFolders(home).imports, { recursive: true });
  const unlock = await lockTarget(recordPath(home, url), { signal, onWait });
  try {
    return await work();
  } finally {
    await unlock();
  }
}

const recordPath = (home: string, url: string): string => `${homeFolders(home).imports}/${contentKey(url)}.json`;
