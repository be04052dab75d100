import { lstat, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { CodedError } from '../errors/coded-error.ts';
import { isProcessAlive } from './atomic-file.ts';

const ownPrefix = `scratch-${hostname()}-`;

/** Creates a temporary folder for the duration of `use`, also if TMPDIR was removed, as at the end of a login session. */
export async function withTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  // One parent for each user: a user cannot write into that of another one.
  const parent = `${tmpdir()}/everswin-${process.getuid?.()}`;
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const { uid } = await lstat(parent);
  if (uid !== process.getuid?.())
    throw new CodedError(
      'StorageUnavailable',
      `${parent} belongs to another user (uid ${uid}), who could replace files in it. Remove it, or set TMPDIR to another folder.`,
    );
  return withScratchFolder(parent, use);
}

/** Creates a temporary folder under `parent` for the duration of `use`. Removes those of processes that were killed. */
export async function withScratchFolder<T>(parent: string, use: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(parent, { recursive: true });
  await removeAbandoned(parent);
  const folder = await mkdtemp(`${parent}/${ownPrefix}${process.pid}-`);
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = name.startsWith(ownPrefix) ? Number.parseInt(name.slice(ownPrefix.length), 10) : NaN;
    if (!Number.isNaN(pid) && !isProcessAlive(pid)) await rm(`${parent}/${name}`, { recursive: true, force: true });
  }
}
