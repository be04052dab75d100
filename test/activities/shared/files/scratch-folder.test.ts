import { chown, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { withTemporaryFolder } from '../../../../activities/shared/files/scratch-folder.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-scratch-`);
  vi.stubEnv('TMPDIR', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

test('withTemporaryFolder creates a folder that only its user can enter', async () => {
  const parent = await withTemporaryFolder((scratch) => Promise.resolve(dirname(scratch)));
  expect(parent).toBe(`${folder}/everswin-${process.getuid?.()}`);
  expect((await stat(parent)).mode & 0o777).toBe(0o700);
});

test.skipIf(process.getuid?.() !== 0)('withTemporaryFolder refuses a folder of another user', async () => {
  await mkdir(`${folder}/everswin-0`);
  await chown(`${folder}/everswin-0`, 65533, 65533);
  const refused = withTemporaryFolder(() => Promise.resolve());
  await expect(refused).rejects.toThrow(`${folder}/everswin-0 belongs to another user (uid 65533)`);
  await expect(refused).rejects.toMatchObject({ code: 'StorageUnavailable' });
});
