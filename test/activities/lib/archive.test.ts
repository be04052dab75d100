import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { extractArchive, type Extracted, type Extraction } from '../../../activities/lib/archive.ts';
import { CodedError } from '../../../activities/lib/coded-error.ts';
import { workInParallel } from '../../../activities/lib/work-in-parallel.ts';
import {
  centralField,
  patchFirstEntry,
  plainFile,
  renameInZip,
  storedFile,
  zipOf,
  zipPointingNowhere,
  type ZipMember,
} from '../../fixtures/hostile-zip.ts';
import { canMountSmallDisk, runOnSmallDisk } from '../../fixtures/run-fetch-child.ts';

const text = Buffer.from('{"images": [], "annotations": []}'.repeat(100));
const photo = randomBytes(100_000);
const twoFiles = [plainFile('annotations/val.json', text), storedFile('val/000001.jpg', photo)];

let folder: string;
let archive: string;
let into: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'archive-'));
  archive = join(folder, 'data.zip');
  into = join(folder, 'into');
  await mkdir(into);
});

afterEach(() => rm(folder, { recursive: true }));

const extract = (zip: Buffer, files: number, changes: Partial<Extraction> = {}): Promise<Extracted> => {
  writeFileSync(changes.archive ?? archive, zip);
  const { signal } = new AbortController();
  return extractArchive({ archive, into, files, onProgress: () => undefined, signal, ...changes });
};

const zip = (...members: ZipMember[]): Promise<Buffer> => zipOf(members, false);

const expectRefused = async (work: Promise<unknown>, why: string): Promise<void> => {
  const error = await work.catch((reason: unknown) => reason);
  if (!(error instanceof CodedError)) throw new Error(`expected a CodedError, got ${String(error)}`);
  expect(error.code).toBe('ArchiveInvalid');
  expect(error.message).toContain(why);
  expect(error.message).toContain(archive);
};

const expectNothingWritten = async (): Promise<void> => {
  expect(await readdir(into)).toEqual([]);
  expect((await readdir(folder)).toSorted()).toEqual(['data.zip', 'into']);
};

describe('an honest archive', () => {
  it.each([false, true])('is unpacked file by file, empty ones too (zip64: %s)', async (forceZip64) => {
    const members = [
      ...twoFiles,
      plainFile('empty.txt', Buffer.alloc(0)),
      { ...plainFile('none/', text), mode: 0o40755 },
    ];
    const counts: number[] = [];
    const onProgress = (filesDone: number): number => counts.push(filesDone);
    const extracted = await extract(await zipOf(members, forceZip64), 3, { onProgress });
    expect(extracted).toEqual({ files: 3, bytes: text.length + photo.length });
    expect(readFileSync(join(into, 'annotations/val.json'))).toEqual(text);
    expect(photo.equals(readFileSync(join(into, 'val/000001.jpg')))).toBe(true);
    expect((await stat(join(into, 'empty.txt'))).size).toBe(0);
    expect((await readdir(into)).toSorted()).toEqual(['annotations', 'empty.txt', 'val']);
    expect(counts).toEqual([1, 2, 3]);
  });

  it('with very many files loses none of them', async () => {
    const members = Array.from({ length: 300 }, (_, i) => storedFile(`val/${i}.jpg`, photo.subarray(i, 2 * i)));
    const extracted = await extract(await zip(...members), 300);
    expect(extracted).toEqual({ files: 300, bytes: (299 * 300) / 2 });
    expect(await readdir(join(into, 'val'))).toHaveLength(300);
  });

  it('may add to the folders of another, but not replace its files', async () => {
    await extract(await zip(...twoFiles), 2);
    await extract(await zip(plainFile('annotations/train.json', text)), 1);
    expect(await readdir(join(into, 'annotations'))).toHaveLength(2);
    await expectRefused(extract(await zip(plainFile('annotations/val.json', text)), 1), 'is there already');
  });
});

describe('an archive is refused before anything is written', () => {
  it.each([
    ['a path out of the folder', '../evil.txt', 'invalid relative path: ../evil.txt'],
    ['a hidden path out of the folder', 'a/../../b.tx', 'invalid relative path'],
    ['an absolute path', '/etc/evil.tx', 'absolute path: /etc/evil.tx'],
    ['a drive letter', 'C:/evil2.txt', 'absolute path'],
    ['a backslash', '..\\evil2.tx', 'invalid characters in fileName'],
    ['a NUL', 'image.jpg\0.x', 'has a NUL in its name'],
    ['an empty part', 'aa//evil.txt', 'has an empty or "." part'],
    ['a dot part', 'aaa/./ev.txt', 'has an empty or "." part'],
  ])('for %s', async (_what, name, why) => {
    const honest = 'x'.repeat(Buffer.byteLength(name));
    await expectRefused(extract(renameInZip(await zip(plainFile(honest, text)), honest, name), 1), why);
    await expectNothingWritten();
  });

  it.each([
    ['a symbolic link', 0o120777, 'is a symbolic link'],
    ['a device', 0o020666, 'is neither a plain file nor a folder'],
    ['a folder that calls itself a file', 0o040755, 'is neither a plain file nor a folder'],
  ])('for %s', async (_what, mode, why) => {
    await expectRefused(extract(await zip({ ...plainFile('link', text), mode }), 1), `entry "link" ${why}`);
    await expectNothingWritten();
  });

  it('for two entries of one name', async () => {
    const twice = renameInZip(await zip(plainFile('a.json', text), plainFile('b.json', photo)), 'b.json', 'a.json');
    await expectRefused(extract(twice, 2), 'entry "a.json" is there twice');
    await expectNothingWritten();
  });

  it('for a file that is also a folder', async () => {
    const both = await zip(plainFile('val', text), plainFile('val/a.jpg', photo));
    await expectRefused(extract(both, 2), 'entry "val" is a file and a folder at once');
    await expectNothingWritten();
  });

  it.each([
    ['encryption', centralField.flags, 0x801, 'is encrypted'],
    ['strong encryption', centralField.flags, 0x841, 'strong encryption'],
    ['an unknown packing method', centralField.method, 12, 'is packed by an unknown method (12)'],
  ])('for %s', async (_what, field, value, why) => {
    const patched = patchFirstEntry(await zip(...twoFiles), (entry) => entry.writeUInt16LE(value, field));
    await expectRefused(extract(patched, 2), why);
    await expectNothingWritten();
  });

  it.each([
    [1, 'holds more than the 1 files expected'],
    [3, 'holds 2 files, expected 3'],
  ])('for another number of files than %i', async (expected, why) => {
    await expectRefused(extract(await zip(...twoFiles), expected), why);
    await expectNothingWritten();
  });

  it('for growing more than 64 times, as a bomb would', async () => {
    await expectRefused(extract(await zip(plainFile('bomb', Buffer.alloc(10_000_000))), 1), 'to 10000000 bytes');
    await expectNothingWritten();
  });

  it.each([
    ['being empty', Buffer.alloc(0)],
    ['being something else', Buffer.from('<html>Please log in</html>')],
    ['pointing far beyond its end', zipPointingNowhere()],
  ])('for %s', async (_what, bytes) => {
    await expectRefused(extract(bytes, 1), 'is refused');
    await expectNothingWritten();
  });

  it('for being cut off', async () => {
    const whole = await zip(...twoFiles);
    await expectRefused(extract(whole.subarray(0, whole.length - 30), 2), 'is refused');
    await expectNothingWritten();
  });
});

describe('an archive is refused while it is unpacked', () => {
  it.each([
    ['more', -1, 'too many bytes'],
    ['less', 1, 'not enough bytes'],
  ])('when an entry holds %s than its list says', async (_what, difference, why) => {
    const patched = patchFirstEntry(await zip(...twoFiles), (entry) =>
      entry.writeUInt32LE(text.length + difference, centralField.uncompressedSize),
    );
    await expectRefused(extract(patched, 2), why);
  });

  it('when a stored byte is damaged, and names the entry', async () => {
    const damaged = await zip(...twoFiles);
    const at = damaged.indexOf(photo.subarray(5_000, 5_100));
    damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
    await expectRefused(extract(damaged, 2), 'entry "val/000001.jpg" has the wrong CRC-32');
  });

  it('when packed bytes are damaged, and names the entry', async () => {
    const damaged = await zip(...twoFiles);
    damaged.fill(0xff, 60, 80);
    await expectRefused(extract(damaged, 2), 'entry "annotations/val.json"');
  });

  it('when an entry points beyond the end', async () => {
    const patched = patchFirstEntry(await zip(...twoFiles), (entry) =>
      entry.writeUInt32LE(0xffff_fff0, centralField.localHeader),
    );
    await expectRefused(extract(patched, 2), 'it points to byte');
  });
});

describe('unpacking', () => {
  it('survives 500 damaged archives: each is refused, or every file in it is right', { timeout: 30_000 }, async () => {
    const small = [plainFile('annotations/val.json', text), storedFile('val/1.jpg', photo.subarray(0, 200))];
    const whole = await zip(...small);
    const contents = new Set(small.map(({ data }) => data.toString('base64')));
    let refused = 0;
    await workInParallel(Array.from(Array(500).keys()), 8, async (at) => {
      const damaged = Buffer.from(whole);
      const position = Math.floor((at / 500) * whole.length);
      damaged.writeUInt8(damaged.readUInt8(position) ^ (1 + (at % 255)), position);
      const fresh = join(into, `${at}`);
      await mkdir(fresh);
      const ending = await extract(damaged, 2, { archive: `${fresh}.zip`, into: fresh }).catch(
        (error: unknown) => error,
      );
      if (ending instanceof Error) {
        refused += 1;
        expect(ending).toHaveProperty('code', 'ArchiveInvalid');
      } else {
        expect(filesBelow(fresh).map((file) => contents.has(file.toString('base64')))).toEqual([true, true]);
      }
    });
    expect(refused).toBeGreaterThan(300);
    expect(refused).toBeLessThan(500);
    expect(await readdir(folder)).toEqual(['into']);
    expect((await readdir(into)).filter((name) => !/^\d+(\.zip)?$/.test(name))).toEqual([]);
  });

  it('ends with the reason of its signal', async () => {
    const reason = new Error('the worker stops');
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(reason);
    const members = Array.from({ length: 100 }, (_, i) => storedFile(`${i}.jpg`, photo));
    const options = { signal: controller.signal, onProgress };
    await expect(extract(await zip(...members), 100, options)).rejects.toBe(reason);
    expect((await readdir(into)).length).toBeLessThan(100);
  });

  it('does not blame an archive that is not there', async () => {
    const { signal } = new AbortController();
    const missing = extractArchive({ archive, into, files: 1, onProgress: () => undefined, signal });
    await expect(missing).rejects.toHaveProperty('code', 'ENOENT');
  });

  it('names a full disk', { timeout: 30_000 }, async (context) => {
    if (!(await canMountSmallDisk(into))) context.skip();
    writeFileSync(archive, await zip(...twoFiles));
    const { code, message } = await runOnSmallDisk(65_536, into, 'extract', { archive, into, files: 2 });
    expect(code).toBe('DiskFull');
    expect(message).toContain(`unpacking ${archive} into ${into}`);
  });
});

const filesBelow = (root: string): Buffer[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path));
