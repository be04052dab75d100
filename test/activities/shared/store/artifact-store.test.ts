import { mkdir, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { ArtifactStore } from '../../../../activities/shared/store/artifact-store.ts';
import { localStore } from '../../../../activities/shared/store/local-store.ts';
import { openStore } from '../../../../activities/shared/store/open-store.ts';
import { storeKinds, useBothStores } from '../../../helpers/both-stores.ts';

const stores = useBothStores();

const fileWith = async (content: string): Promise<string> => {
  const path = `${stores.folder()}/${Math.random().toString(36).slice(2)}`;
  await writeFile(path, content);
  return path;
};
const sha256OfHello = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';

describe.each(storeKinds)('%s', (kind) => {
  const open = (name: string): ArtifactStore => stores.open(kind, name);

  test('returns a stored file with its size and sha256', async () => {
    const store = open('round-trip');
    const put = await store.put('runs/a/report.json', await fileWith('hello'));
    expect(put).toMatchObject({ bytes: 5, sha256: sha256OfHello });
    expect(await store.head('runs/a/report.json')).toEqual({ bytes: 5, sha256: sha256OfHello });
    const target = `${stores.folder()}/new/folder/${kind}`;
    expect(await store.get('runs/a/report.json', target)).toEqual(put);
    expect(await readFile(target, 'utf8')).toBe('hello');
  });

  test('stores an empty file and replaces it', async () => {
    const store = open('again');
    await store.put('a', await fileWith(''));
    expect((await store.head('a'))?.bytes).toBe(0);
    await store.put('a', await fileWith('hello'));
    expect(await store.head('a')).toEqual({ bytes: 5, sha256: sha256OfHello });
  });

  test('put throws StoreDamaged and stores nothing when the sha256 differs', async () => {
    const store = open('refuses');
    const put = store.put('a', await fileWith('hullo'), { sha256: sha256OfHello });
    await expect(put).rejects.toMatchObject({ code: 'StoreDamaged' });
    expect(await store.list('')).toEqual([]);
  });

  test('get throws StoreDamaged and leaves no file when the object is missing or differs', async () => {
    const store = open('absent');
    const target = await mkdtemp(`${stores.folder()}/into-`);
    await expect(store.get('a', `${target}/a`)).rejects.toMatchObject({ code: 'StoreDamaged' });
    await store.put('a', await fileWith('hullo'));
    await expect(store.get('a', `${target}/a`, { sha256: sha256OfHello })).rejects.toMatchObject({
      code: 'StoreDamaged',
    });
    expect(await readdir(target)).toEqual([]);
    expect(await store.head('b')).toBeUndefined();
  });

  test('lists keys by prefix in order, and removes them', async () => {
    const store = open('lists');
    for (const key of ['runs/b/1', 'runs/a/2', 'runs/a/1']) await store.put(key, await fileWith(key));
    expect(await store.list('runs/a/')).toEqual([
      { key: 'runs/a/1', bytes: 8 },
      { key: 'runs/a/2', bytes: 8 },
    ]);
    await store.remove(['runs/a/1', 'runs/never/was']);
    expect((await store.list('')).map(({ key }) => key)).toEqual(['runs/a/2', 'runs/b/1']);
  });

  test('replaces a pointer only when the etag matches', async () => {
    const store = open('pointer');
    expect(await store.read('latest.json')).toBeUndefined();
    const first = await store.replace('latest.json', 'one', { ifMatch: null });
    await expect(store.replace('latest.json', 'one', { ifMatch: null })).rejects.toMatchObject({
      code: 'StoreConflict',
    });
    const second = await store.replace('latest.json', 'two', { ifMatch: first });
    await expect(store.replace('latest.json', 'three', { ifMatch: first })).rejects.toMatchObject({
      code: 'StoreConflict',
    });
    expect(await store.read('latest.json')).toEqual({ body: 'two', etag: second });
  });

  test('lets exactly one of several concurrent writers replace a pointer', async () => {
    const store = open('race');
    for (let round = 0; round < 4; round += 1) {
      const before = await store.read('latest.json');
      const race = ['a', 'b', 'c', 'd'].map((writer) =>
        store.replace('latest.json', `${writer}${round}`, { ifMatch: before?.etag ?? null }).then(() => writer),
      );
      const ends = await Promise.allSettled(race);
      const winners = ends.flatMap((end) => (end.status === 'fulfilled' ? [`${end.value}${round}`] : []));
      expect(winners).toEqual([(await store.read('latest.json'))?.body]);
    }
  });

  test('creates a link that returns the object', async () => {
    const store = open('link');
    await store.put('runs/a/report.json', await fileWith('hello'));
    const link = await store.link('runs/a/report.json', 60);
    const text = link.startsWith('file:')
      ? await readFile(fileURLToPath(link), 'utf8')
      : await (await fetch(link)).text();
    expect(text).toBe('hello');
  });

  test.each(['../escape', 'a/../../b', '/etc/passwd', 'a//b', '.records/a', 'a\\b', ''])(
    'rejects the key %j',
    async (key) => {
      const store = open('keys');
      await expect((async () => store.put(key, await fileWith('x')))()).rejects.toMatchObject({ code: 'StoreRefused' });
    },
  );
});

test('localStore throws StoreDamaged when a stored file was changed on disk', async () => {
  const store = localStore(`${stores.folder()}/stores/changed`);
  await store.put('a', await fileWith('hello'));
  await writeFile(`${stores.folder()}/stores/changed/a`, 'hullo');
  await expect(store.get('a', `${stores.folder()}/changed`)).rejects.toMatchObject({ code: 'StoreDamaged' });
});

test('localStore removes old temporary files of killed puts', async () => {
  const store = localStore(`${stores.folder()}/stores/killed`);
  await mkdir(`${stores.folder()}/stores/killed/runs`, { recursive: true });
  await writeFile(`${stores.folder()}/stores/killed/runs/.a.1.part`, 'half');
  await mkdir(`${stores.folder()}/stores/killed/.records/runs`, { recursive: true });
  await writeFile(`${stores.folder()}/stores/killed/.records/runs/a.json.1.tmp`, 'half');
  expect(await store.abortStaleUploads('runs/', 60_000)).toBe(0);
  expect(await store.abortStaleUploads('runs/b', 0)).toBe(0);
  expect(await store.abortStaleUploads('runs/a', 0)).toBe(2);
  expect(await readdir(`${stores.folder()}/stores/killed/runs`)).toEqual([]);
  expect(await readdir(`${stores.folder()}/stores/killed/.records/runs`)).toEqual([]);
});

test.each([
  ['file:///var/store', 'file:///var/store'],
  ['file:///var/store/', 'file:///var/store'],
  ['s3://bucket', 's3://bucket'],
  ['s3://bucket/some/prefix/', 's3://bucket/some/prefix'],
])('openStore opens %s as %s', (address, opened) => {
  const s3 = { endpoint: 'http://127.0.0.1:1', region: undefined };
  expect(openStore(address, { home: stores.folder(), s3 }).address).toBe(opened);
});

test.each(['/var/store', 'http://host/bucket', 's3://', 's3://key:CANARY@bucket', 's3://bucket?x=CANARY'])(
  'openStore rejects %s without repeating it',
  (address) => {
    const open = () => openStore(address, { home: stores.folder(), s3: { endpoint: undefined, region: undefined } });
    expect(open).toThrow(/file:\/\/\/FOLDER or s3:\/\/BUCKET/);
    expect(open).not.toThrow(/CANARY/);
  },
);
