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

describe('recordHash', () => {
  it('records a hash that findRecordedHash returns', async () => {
    expect(await findRecordedHash(folder, 'swin.pth')).toBeUndefined();
    await recordHash(folder, 'swin.pth', hash);
    expect(await findRecordedHash(folder, 'swin.pth')).toMatchObject(hash);
    expect(await findRecordedHash(folder, 'other.pth')).toBeUndefined();
  });

  it('accepts the same hash again', async () => {
    await recordHash(folder, 'swin.pth', hash);
    await recordHash(folder, 'swin.pth', hash);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ v: 1, ...hash });
    expect(await readdir(join(folder, 'recorded-hashes'))).toEqual(['swin.pth.json']);
  });

  it('keeps concurrent records of different files', async () => {
    const files = Array.from({ length: 20 }, (_, i) => `swin-${i}.pth`);
    await Promise.all(files.map((file) => recordHash(folder, file, hash)));
    for (const file of files) expect(await findRecordedHash(folder, file)).toMatchObject(hash);
  });

  it('accepts only one of two different concurrent records', async () => {
    const results = await Promise.allSettled([hash, other].map((got) => recordHash(folder, 'swin.pth', got)));
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it.each([
    ['another hash', other],
    ['another size', { ...hash, bytes: 4 }],
  ])('throws ChecksumMismatch for %s', async (_label, got) => {
    await recordHash(folder, 'swin.pth', hash);
    const recorded = recordHash(folder, 'swin.pth', got);
    await expect(recorded).rejects.toHaveProperty('code', 'ChecksumMismatch');
    await expect(recorded).rejects.toThrow(`in ${path}, got the sha256 ${got.sha256} (${got.bytes} bytes)`);
    expect(await findRecordedHash(folder, 'swin.pth')).toMatchObject(hash);
  });

  it.each(['', '{"v":1', '{"v":2}', '{"v":1,"bytes":3,"sha256":"short"}'])(
    'rejects a damaged record: %s',
    async (damaged) => {
      await recordHash(folder, 'swin.pth', hash);
      await writeFile(path, damaged);
      await expect(findRecordedHash(folder, 'swin.pth')).rejects.toThrow(`${path} is damaged`);
      await expect(recordHash(folder, 'swin.pth', hash)).rejects.toThrow(`${path} is damaged`);
      expect(await readFile(path, 'utf8')).toBe(damaged);
    },
  );
});
