import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { isProcessAlive } from './atomic-file.ts';

const ownPrefix = `scratch-${hostname()}-`;

/** Creates a temporary folder for the duration of `use`, also if TMPDIR was removed, as at the end of a login session. */
export const withTemporaryFolder = <T>(use: (folder: string) => Promise<T>): Promise<T> =>
  // One parent for each user: a user cannot write into that of another one.
  withScratchFolder(`${tmpdir()}/everswin-${process.getuid?.()}`, use);

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
