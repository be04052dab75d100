import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
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

const refer = async (runId: string, objects: string[]) => {
  const { root, references } = runFolder(home, runId);
  await mkdir(root, { recursive: true });
  await writeFile(references, JSON.stringify({ v: 1, objects, datasets: [] }));
};

test('an object is found under its hash, read-only, with the name it came by', async () => {
  const sha256 = await store('tensors');
  const object = await findObject(home, sha256);
  expect(object).toMatchObject({ sha256, file: 'weights.pth', bytes: 7 });
  expect(await readFile(object?.path ?? '', 'utf8')).toBe('tensors');
  expect((await stat(object?.path ?? '')).mode & 0o777).toBe(0o444);
});

test('two that store the same bytes at once leave one object', async () => {
  await Promise.all(Array.from({ length: 8 }, () => store('same')));
  expect(await listObjects(home)).toHaveLength(1);
  expect(await findObject(home, hashOf('same'))).toBeDefined();
});

test('an object that was changed under its name is moved aside and never served', async () => {
  const sha256 = await store('tensors');
  const path = homeFolders(home).object(sha256);
  await chmod(path, 0o644);
  await writeFile(path, 'tensorz');
  expect(await findObject(home, sha256)).toBeUndefined();
  expect(await readFile(`${homeFolders(home).damaged}/${sha256}`, 'utf8')).toBe('tensorz');
  await store('tensors');
  expect(await findObject(home, sha256)).toBeDefined();
});

test('an object that was only touched, or lost its manifest, is hashed again and served', async () => {
  const sha256 = await store('tensors');
  const path = homeFolders(home).object(sha256);
  await chmod(path, 0o400);
  expect(await findObject(home, sha256)).toBeDefined();
  await rm(`${path}.json`);
  expect(await findObject(home, sha256)).toBeDefined();
});

test('pruning removes what no run refers to and leaves what a run needs, dry or in earnest', async () => {
  const [needed, free] = [await store('needed'), await store('free')];
  await refer('kept', [needed]);
  expect(await pruneStore(home, 0, true)).toMatchObject([{ kind: 'object', name: free, bytes: 4 }]);
  expect(await findObject(home, free)).toBeDefined();
  expect(await pruneStore(home, 0, false)).toHaveLength(1);
  expect(await findObject(home, free)).toBeUndefined();
  expect(await findObject(home, needed)).toBeDefined();
  expect(await listObjects(home)).toHaveLength(1);
});

test('pruning leaves alone what is young, since a run that fetches it may not have said so yet', async () => {
  await store('young');
  expect(await pruneStore(home, 3_600_000, false)).toEqual([]);
});

test('a copy of a prefix goes when nothing was added to it for long enough', async () => {
  const copy = homeFolders(home).prefix('a'.repeat(64));
  await mkdir(copy, { recursive: true });
  await writeFile(`${copy}/image`, 'one');
  expect(await pruneStore(home, 3_600_000, false)).toEqual([]);
  expect(await pruneStore(home, 0, false)).toMatchObject([{ kind: 'copy of a prefix', name: 'a'.repeat(64) }]);
  expect(await readdir(homeFolders(home).prefixes)).toEqual([]);
});

test('a run that begins to need an object while it is pruned keeps it', async () => {
  for (let round = 0; round < 20; round++) {
    const sha256 = await store(`raced ${round}`);
    const [, pruned] = await Promise.all([refer(`run-${round}`, [sha256]), pruneStore(home, 0, false)]);
    const object = await findObject(home, sha256);
    // Either it went before the run said a word, and the run's look finds it gone, or it is there for good.
    expect(object === undefined).toBe(pruned.some(({ name }) => name === sha256));
  }
});
