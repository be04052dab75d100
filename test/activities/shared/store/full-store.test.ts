/** A local store on a full disk. Mounts a small one, which only root may do. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { localStore } from '../../../../activities/shared/store/local-store.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(`${tmpdir()}/everswin-store-`);
});
afterEach(() => rm(root, { recursive: true, force: true }));

test.skipIf(process.getuid?.() !== 0).each([100_000, 20_000_000])(
  'put of %i bytes on a full disk names the file, leaves none and keeps none open',
  async (bytes) => {
    const [folder, file] = [`${root}/store`, `${root}/weights.pth`];
    await writeFile(file, Buffer.alloc(bytes));
    await mkdir(folder);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
    try {
      const error: unknown = await localStore(folder)
        .put('runs/mini/weights.pth', file)
        .catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'ENOSPC' });
      expect(String(error)).toContain(`${folder}/runs/mini/weights.pth`);
      expect(await readdir(`${folder}/runs/mini`)).toEqual([]);
    } finally {
      // Fails as busy while a file is open.
      await execa('umount', [folder]);
    }
  },
);
