import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withCodedFailures } from '../../../../activities/shared/temporal/failure.ts';

const { makeFolder } = withCodedFailures({ makeFolder: (path: string) => mkdir(path, { recursive: true }) });
const isRoot = process.getuid?.() === 0;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-mkdir-`);
});
afterEach(() => rm(folder, { recursive: true }));

test.skipIf(!isRoot)('a missing folder on a read-only mount is named as read-only', async () => {
  await execa('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'tmpfs', folder]);
  try {
    for (const path of [`${folder}/a`, `${folder}/a/b/c`])
      await expect(makeFolder(path)).rejects.toMatchObject({
        type: 'StorageUnavailable',
        message: expect.stringMatching(/EROFS: read-only file system.*everswin-mkdir-/) as string,
      });
  } finally {
    await execa('umount', [folder]);
  }
});

test('a link to nowhere keeps its error', async () => {
  await symlink(`${folder}/nowhere`, `${folder}/link`);
  await expect(makeFolder(`${folder}/link`)).rejects.toMatchObject({
    type: 'StorageUnavailable',
    message: expect.stringContaining('ENOENT') as string,
  });
});
