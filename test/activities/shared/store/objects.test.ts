import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addObject, findObject, listObjects } from '../../../../activities/shared/store/objects.ts';
import { pruneStore } from '../../../../activities/inputs/prune-store.ts';
import { homeFolders, runFolder } from '../../../../configs/paths.ts';

let home: string;
beforeEach(async () => (home = await mkdtemp(`${tmpdir()}/everswin-objects-`)));
afterEach(() => rm(home, { recursive: true, force: true }));

const hashOf = (content: string) => createHash('sha256').update(content).digest('hex');

async function store(content: string): Promise<string> {
  const sha256 = hashOf(content);
  const file = `${home}/incoming-${sha256.slice(0, 8)}-${Math.random()}`;
  await writeFile(file, content);
  await addObject(home, file, { sha256, name: 'weights.pth', origin: 'fetched from a test' });
  return sha256;
}

const addReferences = async (runId: string, objects: string[]) => {
  const { root, references } = runFolder(home, runId);
  await mkdir(root, { recursive: true });
  await writeFile(references, JSON.stringify({ v: 1, objects, datasets: [] }));
};

test('findObject returns a read-only file with its original name', async () => {
  const sha256 = await store('tensors');
  const object = await findObject(home, sha256);
  expect(object).toMatchObject({ sha256, file: 'weights.pth', bytes: 7 });
  expect(await readFile(object?.path ?? '', 'utf8')).toBe('tensors');
  expect((await stat(object?.path ?? '')).mode & 0o777).toBe(0o444);
});

test('concurrent addObject calls with the same content leave one object', async () => {
  await Promise.all(Array.from({ length: 8 }, () => store('same')));
  expect(await listObjects(home)).toHaveLength(1);
  expect(await findObject(home, hashOf('same'))).toBeDefined();
});

test('findObject moves a changed object aside', async () => {
  const sha256 = await store('tensors');
  const path = homeFolders(home).object(sha256);
  await chmod(path, 0o644);
  await writeFile(path, 'tensorz');
  expect(await findObject(home, sha256)).toBeUndefined();
  expect(await readFile(`${homeFolders(home).damaged}/${sha256}`, 'utf8')).toBe('tensorz');
  await store('tensors');
  expect(await findObject(home, sha256)).toBeDefined();
});

test('findObject rehashes an object whose mark changed or whose manifest is missing', async () => {
  const sha256 = await store('tensors');
  const path = homeFolders(home).object(sha256);
  await chmod(path, 0o400);
  expect(await findObject(home, sha256)).toBeDefined();
  await rm(`${path}.json`);
  expect(await findObject(home, sha256)).toBeDefined();
});

test('pruneStore removes unreferenced objects only, and nothing in a dry run', async () => {
  const [needed, unused] = [await store('needed'), await store('free')];
  await addReferences('kept', [needed]);
  expect(await pruneStore(home, 0, true)).toMatchObject([{ kind: 'object', name: unused, bytes: 4 }]);
  expect(await findObject(home, unused)).toBeDefined();
  expect(await pruneStore(home, 0, false)).toHaveLength(1);
  expect(await findObject(home, unused)).toBeUndefined();
  expect(await findObject(home, needed)).toBeDefined();
  expect(await listObjects(home)).toHaveLength(1);
});

test.each([
  [
    'references.json is damaged',
    (root: string) => mkdir(root).then(() => writeFile(`${root}/references.json`, '{"v":1,')),
  ],
  ['the folder is a link to a disk that is not mounted', (root: string) => symlink('/nowhere/run', root)],
])('pruneStore removes nothing when it is unknown what a run needs, because %s', async (_title, damage) => {
  const unused = await store('unused');
  await mkdir(`${home}/runs`, { recursive: true });
  await damage(`${home}/runs/damaged`);
  await expect(pruneStore(home, 0, false)).rejects.toThrow('It is unknown what the run damaged needs');
  expect(await findObject(home, unused)).toBeDefined();
});

test('pruneStore keeps recent objects, which a run may be about to reference', async () => {
  await store('young');
  expect(await pruneStore(home, 3_600_000, false)).toEqual([]);
});

test('pruneStore removes a prefix copy that has not changed for long enough', async () => {
  const copy = homeFolders(home).prefix('a'.repeat(64));
  await mkdir(copy, { recursive: true });
  await writeFile(`${copy}/image`, 'one');
  expect(await pruneStore(home, 3_600_000, false)).toEqual([]);
  expect(await pruneStore(home, 0, false)).toMatchObject([{ kind: 'copy of a prefix', name: 'a'.repeat(64) }]);
  expect(await readdir(homeFolders(home).prefixes)).toEqual([]);
});

test('pruneStore keeps an object that a run references during pruning', async () => {
  for (let round = 0; round < 20; round++) {
    const sha256 = await store(`raced ${round}`);
    const [, pruned] = await Promise.all([addReferences(`run-${round}`, [sha256]), pruneStore(home, 0, false)]);
    const object = await findObject(home, sha256);
    // The object is either pruned before the run references it, or it stays.
    expect(object === undefined).toBe(pruned.some(({ name }) => name === sha256));
  }
});
