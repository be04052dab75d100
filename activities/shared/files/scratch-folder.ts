import { mkdir, mkdtemp, rm } from 'node:fs/promises';

/** Creates a temporary folder under `parent` for the duration of `use`. */
export async function withScratchFolder<T>(parent: string, use: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(`${parent}/scratch-`);
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
