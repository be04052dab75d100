import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRecordedHash, recordHash } from '../../../../activities/shared/download/recorded-hash.ts';

const hash = { bytes: 3, sha256: 'a'.repeat(64) };
const other = { bytes: 3, sha256: 'b'.repeat(64) };

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recorded-hash-'));
  path = join(folder, 'recorded-hashes', 'swin.pth.json');
});

afterEach(() => rm(folder, { recursive: true }));

describe('a recorded hash', () => {
  it('is found from its first download on', async () => {
    expect(await findRecordedHash(folder, 'swin.pth')).toBeUndefined();
    await recordHash(folder, 'swin.pth', hash);
    expect(await findRecordedHash(folder, 'swin.pth')).toMatchObject(hash);
    expect(await findRecordedHash(folder, 'other.pth')).toBeUndefined();
  });

  it('may be recorded again', async () => {
    await recordHash(folder, 'swin.pth', hash);
    await recordHash(folder, 'swin.pth', hash);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ v: 1, ...hash });
    expect(await readdir(join(folder, 'recorded-hashes'))).toEqual(['swin.pth.json']);
  });

  it('is not lost to those of other files that are recorded at the same time', async () => {
    const files = Array.from({ length: 20 }, (_, i) => `swin-${i}.pth`);
    await Promise.all(files.map((file) => recordHash(folder, file, hash)));
    for (const file of files) expect(await findRecordedHash(folder, file)).toMatchObject(hash);
  });

  it('is one only, also when two first downloads differ and end at the same time', async () => {
    const endings = await Promise.allSettled([hash, other].map((got) => recordHash(folder, 'swin.pth', got)));
    expect(endings.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it.each([
    ['other bytes', other],
    ['another size', { ...hash, bytes: 4 }],
  ])('is enforced against %s', async (_what, got) => {
    await recordHash(folder, 'swin.pth', hash);
    const recorded = recordHash(folder, 'swin.pth', got);
    await expect(recorded).rejects.toHaveProperty('code', 'ChecksumMismatch');
    await expect(recorded).rejects.toThrow(`in ${path}, got the sha256 ${got.sha256} (${got.bytes} bytes)`);
    expect(await findRecordedHash(folder, 'swin.pth')).toMatchObject(hash);
  });

  it.each(['', '{"v":1', '{"v":2}', '{"v":1,"bytes":3,"sha256":"short"}'])(
    'is not forgotten because its record is damaged: %s',
    async (damaged) => {
      await recordHash(folder, 'swin.pth', hash);
      await writeFile(path, damaged);
      await expect(findRecordedHash(folder, 'swin.pth')).rejects.toThrow(`${path} is damaged`);
      await expect(recordHash(folder, 'swin.pth', hash)).rejects.toThrow(`${path} is damaged`);
      expect(await readFile(path, 'utf8')).toBe(damaged);
    },
  );
});
