import { mkdir, mkdtemp, rm } from 'node:fs/promises';

/** A folder for as long as `use` lasts. @param parent on the disk that is meant for it. */
export async function withScratchFolder<T>(parent: string, use: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(`${parent}/scratch-`);
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
