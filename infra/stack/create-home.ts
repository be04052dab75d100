import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemErrorCode } from '../../activities/shared/errors/coded-error.ts';

/** Folders of a home that other users may use: programs, and the GPU leases of the machine. */
const sharedFolders = ['tools', 'gpus'];

/**
 * Creates the folder of data and runs, which only its user can read, and limits the modes of all files that this process
 * and its children create. A home to which its group may write stays shared with the group.
 * @throws Error that names the folder and the remedy.
 */
export async function createHome(home: string): Promise<void> {
  try {
    await createFolder(home);
    const isGroupHome = ((await stat(home)).mode & 0o020) !== 0;
    process.umask(isGroupHome ? 0o007 : 0o077);
    await restrictAccess(home, isGroupHome ? 0o7770 : 0o7700);
  } catch (cause) {
    const why = systemErrorCode(cause) ?? String(cause);
    throw new Error(`Cannot create ${home} (${why}). Choose another folder with EVERSWIN_HOME.`, { cause });
  }
}

/** Creates a folder and its parents. Node's recursive mkdir never returns for a folder below /proc. */
async function createFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, 0o700);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'EEXIST') return;
    const parent = dirname(folder);
    if (code !== 'ENOENT' || parent === folder) throw error;
    await createFolder(parent);
    await mkdir(folder, 0o700);
  }
}

/** Removes the access that an earlier version or another umask gave to what the home contains. */
async function restrictAccess(home: string, allowed: number): Promise<void> {
  const names = await readdir(home);
  const isShared = names.some((name) => sharedFolders.includes(name));
  await restrict(home, isShared ? allowed | 0o011 : allowed);
  for (const name of names) if (!sharedFolders.includes(name)) await restrict(`${home}/${name}`, allowed);
}

async function restrict(path: string, allowed: number): Promise<void> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o7777 & ~allowed) !== 0) await chmod(path, mode & allowed);
  } catch {
    // Only its owner may change a mode, some file systems have none, and a link may lead nowhere.
  }
}
