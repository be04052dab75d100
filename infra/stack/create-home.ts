import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorCode } from '../../activities/shared/errors/coded-error.ts';

/**
 * Creates the folder of data and runs.
 * @throws Error that names the folder and the remedy.
 */
export async function createHome(home: string): Promise<void> {
  try {
    await createFolder(home);
  } catch (cause) {
    const why = systemErrorCode(cause) ?? String(cause);
    throw new Error(`Cannot create ${home} (${why}). Choose another folder with EVERSWIN_HOME.`, { cause });
  }
}

/** Creates a folder and its parents. Node's recursive mkdir never returns for a folder below /proc. */
async function createFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'EEXIST') return;
    const parent = dirname(folder);
    if (code !== 'ENOENT' || parent === folder) throw error;
    await createFolder(parent);
    await mkdir(folder);
  }
}
