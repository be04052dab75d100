import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createFileExclusive,
  hashFileInto,
  removeTemporaryFiles,
  sha256OfFile,
  writeFileAtomic,
} from '../../../../activities/shared/files/atomic-file.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atomic-file-'));
  path = join(folder, 'plan.json');
});

afterEach(() => rm(folder, { recursive: true }));

describe('writeFileAtomic', () => {
  it.each(['text', Buffer.from([0, 1, 2])])('replaces a file and leaves no other file', async (data) => {
    await writeFile(path, 'something longer that was there before');
    await writeFileAtomic(path, data);
    expect(await readFile(path)).toEqual(Buffer.from(data));
    expect(await readdir(folder)).toEqual(['plan.json']);
  });

  it.each(['folder', 'file'])('names the file, not its temporary name, if a %s is in the way', async (kind) => {
    const blocked = kind === 'folder' ? path : join(path, 'below.json');
    if (kind === 'folder') await mkdir(join(path, 'full'), { recursive: true });
    else await writeFile(path, '');
    const messageOf = (): Promise<unknown> => writeFileAtomic(blocked, 'x').catch((error: unknown) => String(error));
    const message = await messageOf();
    expect(message).toContain(`'${blocked}'`);
    expect(message).not.toContain('.tmp');
    expect(await messageOf()).toBe(message);
  });

  it('never shows a reader a partial file', async () => {
    const versions = ['a', 'b'].map((letter) => letter.repeat(1_000_000));
    await writeFileAtomic(path, versions[0] ?? '');
    let writing = true;
    const writeOften = async (): Promise<void> => {
      for (let i = 0; i < 20; i += 1) await writeFileAtomic(path, versions[i % 2] ?? '');
      writing = false;
    };
    const readOften = async (): Promise<void> => {
      while (writing) expect(versions).toContain(await readFile(path, 'utf8'));
    };
    await Promise.all([writeOften(), readOften()]);
  });

  it('keeps the content of one writer when several race', async () => {
    await Promise.all(['first', 'second', 'third'].map((data) => writeFileAtomic(path, data)));
    expect(['first', 'second', 'third']).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['plan.json']);
  });

  it('keeps the old file and no temporary file when the rename fails', async () => {
    await mkdir(path);
    await writeFile(join(path, 'kept'), '');
    await expect(writeFileAtomic(path, 'text')).rejects.toHaveProperty('code', 'EISDIR');
    expect(await readdir(folder)).toEqual(['plan.json']);
  });

  it('fails when the folder does not exist', async () => {
    await expect(writeFileAtomic(join(folder, 'none', 'x'), 'text')).rejects.toHaveProperty('code', 'ENOENT');
  });
});

describe('createFileExclusive', () => {
  it('succeeds for one of several writers and fails for the others', async () => {
    const contents = ['first', 'second', 'third'];
    const results = await Promise.allSettled(contents.map((data) => createFileExclusive(path, data)));
    const winners = contents.filter((_, i) => results[i]?.status === 'fulfilled');
    expect(winners).toEqual([await readFile(path, 'utf8')]);
    await expect(createFileExclusive(path, 'late')).rejects.toHaveProperty('code', 'EEXIST');
    expect(await readdir(folder)).toEqual(['plan.json']);
  });
});

describe('removeTemporaryFiles', () => {
  it('removes files of killed writers in all subfolders, and keeps files of live writers', async () => {
    const { pid: dead } = spawnSync(process.execPath, ['--version']);
    const id = '00000000-0000-4000-8000-000000000000';
    await mkdir(join(folder, 'report'));
    const names = [`plan.json.${dead}.${id}.tmp`, `report/index.html.${dead}.${id}.tmp`];
    const kept = [`plan.json.${process.pid}.${id}.tmp`, 'notes.tmp', 'plan.json'];
    for (const name of [...names, ...kept]) await writeFile(join(folder, name), 'half');
    await removeTemporaryFiles(folder);
    expect((await readdir(folder, { recursive: true })).sort()).toEqual([...kept, 'report'].sort());
  });
});

describe('sha256OfFile', () => {
  it.each([0, 1, 3_000_000])('hashes a file of %i bytes', async (size) => {
    const data = randomBytes(size);
    await writeFile(path, data);
    expect(await sha256OfFile(path)).toBe(createHash('sha256').update(data).digest('hex'));
  });

  it('fails when the file does not exist', async () => {
    await expect(sha256OfFile(path)).rejects.toHaveProperty('code', 'ENOENT');
  });
});

describe('hashFileInto', () => {
  it('extends an existing hash and reports progress', async () => {
    await writeFile(path, 'world');
    const hash = createHash('sha256').update('hello ');
    const steps: number[] = [];
    const onBytes = (bytes: number): number => steps.push(bytes);
    await hashFileInto(hash, path, { signal: new AbortController().signal, onBytes });
    expect(hash.digest('hex')).toBe(createHash('sha256').update('hello world').digest('hex'));
    expect(steps).toEqual([5]);
  });

  it('rejects with the reason of its signal', async () => {
    await writeFile(path, 'world');
    const reason = new Error('the worker stops');
    const hashing = { signal: AbortSignal.abort(reason), onBytes: () => undefined };
    await expect(hashFileInto(createHash('sha256'), path, hashing)).rejects.toBe(reason);
  });
});
