import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRecordedHash, recordHash } from '../../../activities/lib/recorded-hash.ts';

const hash = { bytes: 3, sha256: 'a'.repeat(64) };
const other = { bytes: 3, sha256: 'b'.repeat(64) };

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recorded-hash-'));
  path = join(folder, 'recorded-hashes.json');
});

afterEach(() => rm(folder, { recursive: true }));

describe('a recorded hash', () => {
  it('is found from its first download on', async () => {
    expect(await findRecordedHash(folder, 'swin.pth')).toBeUndefined();
    await recordHash(folder, 'swin.pth', hash);
    expect(await findRecordedHash(folder, 'swin.pth')).toEqual(hash);
    expect(await findRecordedHash(folder, 'other.pth')).toBeUndefined();
    expect(await readdir(folder)).toEqual(['recorded-hashes.json']);
  });

  it('may be recorded again, beside others', async () => {
    await recordHash(folder, 'swin.pth', hash);
    await recordHash(folder, 'other.pth', other);
    await recordHash(folder, 'swin.pth', hash);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ v: 1, files: { 'swin.pth': hash, 'other.pth': other } });
  });

  it.each([
    ['other bytes', other],
    ['another size', { ...hash, bytes: 4 }],
  ])('is enforced against %s', async (_what, got) => {
    await recordHash(folder, 'swin.pth', hash);
    await expect(recordHash(folder, 'swin.pth', got)).rejects.toMatchObject({
      code: 'ChecksumMismatch',
      message: expect.stringContaining(`as recorded in ${path}, got the sha256 ${got.sha256} (${got.bytes} bytes)`),
    });
    expect(await findRecordedHash(folder, 'swin.pth')).toEqual(hash);
  });

  it.each(['', '{"v":1', '{"v":2,"files":{}}', '{"v":1,"files":{"swin.pth":{"bytes":3,"sha256":"short"}}}'])(
    'is not forgotten because the record is damaged: %s',
    async (damaged) => {
      await writeFile(path, damaged);
      const failure = { code: 'Unexpected', message: expect.stringContaining(`${path} is damaged`) };
      await expect(findRecordedHash(folder, 'swin.pth')).rejects.toMatchObject(failure);
      await expect(recordHash(folder, 'swin.pth', hash)).rejects.toMatchObject(failure);
      expect(await readFile(path, 'utf8')).toBe(damaged);
    },
  );
});
