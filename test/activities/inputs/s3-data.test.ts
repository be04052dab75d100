/** Imports data from a real S3 server (SeaweedFS). */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { CodedError } from '../../../activities/shared/errors/coded-error.ts';
import { contentKey } from '../../../activities/shared/steps/content-key.ts';
import { findMissing } from '../../../activities/inputs/find-missing.ts';
import { prepareDataset } from '../../../activities/inputs/prepare-dataset.ts';
import { prepareFile } from '../../../activities/inputs/prepare-file.ts';
import { withPrefixFolder } from '../../../activities/inputs/prefix-copy.ts';
import { checkInputs } from '../../../activities/preflight/check-inputs.ts';
import { homeFolders } from '../../../configs/paths.ts';
import { CatalogArchive, type RunPlan } from '../../../configs/schema/index.ts';
import { objectStoreRegion } from '../../../infra/stack/object-store.ts';
import { miniPlan } from '../../helpers/mini-run.ts';
import { createPreparationContext, type TestPreparationContext } from '../../helpers/preparation-context.ts';
import { drawMiniCoco } from '../../helpers/preparation.ts';
import { startS3Server, type S3Server } from '../../helpers/s3-server.ts';

let server: S3Server;
let drawn: string;
let bucket: S3Client;
let place: TestPreparationContext;
let tests = 0;
/** Prefix of all objects of one test. */
let top: string;

beforeAll(async () => {
  server = await startS3Server();
  bucket = new S3Client({
    endpoint: server.endpoint,
    credentials: server.credentials,
    region: objectStoreRegion,
    forcePathStyle: true,
  });
  drawn = await mkdtemp(`${tmpdir()}/everswin-own-`);
  await drawMiniCoco('--own', drawn);
});
afterAll(async () => {
  bucket.destroy();
  await server.stop();
  await rm(drawn, { recursive: true });
});

beforeEach(async () => {
  place = await createPreparationContext(server);
  top = `test-${(tests += 1)}`;
});
afterEach(() => place.remove());

const put = async (key: string, body: string | Uint8Array): Promise<void> => {
  await bucket.send(new PutObjectCommand({ Bucket: server.bucket, Key: `${top}/${key}`, Body: body }));
};
const remove = async (key: string): Promise<void> => {
  await bucket.send(new DeleteObjectCommand({ Bucket: server.bucket, Key: `${top}/${key}` }));
};
const addressOf = (key: string): string => `s3://${server.bucket}/${top}/${key}`;
const archive = (file: string, url: string) => CatalogArchive.parse({ file, urls: [url] });
const imagesAt = (key: string) => archive('images', addressOf(key));
const fetched = (): string[] =>
  place.requests.filter(({ command }) => command === 'GetObject').map(({ key }) => key.slice(top.length + 1));

/** Uploads three images, one of them larger than a SeaweedFS chunk. */
const threeImages = async (): Promise<void> => {
  await put('images/a.jpg', 'first');
  await put('images/line 1/b+é%25.jpg', 'second');
  await put('images/line 1/c.jpg', Buffer.alloc(9_000_000, 7));
};
const folderOf = (key: string): string => homeFolders(place.home).prefix(contentKey(addressOf(key)));

async function putFolder(folder: string, key: string): Promise<void> {
  for (const entry of await readdir(`${drawn}/${folder}`, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = `${entry.parentPath}/${entry.name}`;
    await put(`${key}/${path.slice(`${drawn}/${folder}/`.length)}`, await readFile(path));
  }
}

const planOf = (from: (path: string) => string): RunPlan => ({
  ...miniPlan,
  dataset: {
    id: 'own',
    contentKey: '0'.repeat(64),
    classes: null,
    extractImages: false,
    archives: [
      archive('train-images', from('train/')),
      archive('val-images', `file://${drawn}/val/`),
      archive('train.json', from('annotations/train.json')),
      archive('val.json', `file://${drawn}/annotations/val.json`),
    ],
    train: { images: 'train-images', annotations: 'train.json', counts: null },
    val: { images: 'val-images', annotations: 'val.json', counts: null },
  },
});

test('prepareDataset gives the same data set from S3 as from a disk, and a new one when images are added', async () => {
  await putFolder('train', 'train');
  await putFolder('annotations', 'annotations');
  const plan = planOf(addressOf);
  const first = await prepareDataset(plan, place.context);
  const local = await prepareDataset(
    planOf((path) => `file://${drawn}/${path}`),
    place.context,
  );
  expect(first.archives).toEqual(local.archives);
  expect(first.contentKey).toBe(local.contentKey);
  expect(first.images).toBe(120);

  place.requests.length = 0;
  const again = await prepareDataset(plan, place.context);
  expect(again).toMatchObject({ contentKey: first.contentKey, outcome: { hit: true } });
  expect(place.requests.map(({ command }) => command).sort()).toEqual(['HeadObject', 'ListObjectsV2']);

  const annotations = JSON.parse(await readFile(`${drawn}/annotations/train.json`, 'utf8')) as {
    images: { id: number; file_name: string }[];
  };
  const [image] = annotations.images;
  if (image === undefined) throw new Error('nothing was drawn');
  const added = { ...image, id: 9_000_000, file_name: 'new one.jpeg' };
  await put('train/new one.jpeg', await readFile(`${drawn}/train/${image.file_name}`));
  await put('annotations/train.json', JSON.stringify({ ...annotations, images: [...annotations.images, added] }));
  place.requests.length = 0;
  const changed = await prepareDataset(plan, place.context);
  expect(changed.images).toBe(121);
  expect(changed.contentKey).not.toBe(first.contentKey);
  expect(changed.outcome.why).toMatch(/^not cached, .*train-images changed .*train\.json changed/);
  expect(fetched().sort()).toEqual(['annotations/train.json', 'train/new one.jpeg']);
});

test('prepareFile keeps special characters in keys and drops removed objects from the copy', async () => {
  await threeImages();
  const all = await prepareFile(imagesAt('images/'), place.context);
  await remove('images/a.jpg');
  place.requests.length = 0;
  const less = await prepareFile(imagesAt('images/'), place.context);
  expect(fetched()).toEqual([]);
  const folder = `${place.home}/the same`;
  await mkdir(`${folder}/line 1`, { recursive: true });
  await writeFile(`${folder}/line 1/b+é%25.jpg`, 'second');
  await writeFile(`${folder}/line 1/c.jpg`, Buffer.alloc(9_000_000, 7));
  const { sha256 } = await prepareFile(archive('images', `file://${folder}/`), place.context);
  expect(less.sha256).toBe(sha256);
  expect(all.sha256).not.toBe(sha256);
  expect(await readdir(folderOf('images/'))).toHaveLength(2);
});

test.each([
  ['replaced', () => put('images/line 1/c.jpg', 'another')],
  ['removed', () => remove('images/line 1/c.jpg')],
  ['added', () => put('images/d.jpg', 'fourth')],
])(
  'prepareFile throws SourceChanged when an image is %s during the import, and then succeeds',
  async (_, change) => {
    await threeImages();
    place.hooks.push(async ({ command, key }) => {
      if (command !== 'GetObject' || !key.endsWith('c.jpg')) return;
      place.hooks.length = 0;
      await change();
    });
    const failure: unknown = await prepareFile(imagesAt('images/'), place.context).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CodedError);
    expect(failure).toMatchObject({ code: 'SourceChanged' });
    const imported = await prepareFile(imagesAt('images/'), place.context);
    place.requests.length = 0;
    expect(await prepareFile(imagesAt('images/'), place.context)).toMatchObject({ sha256: imported.sha256 });
    expect(place.requests.map(({ command }) => command)).toEqual(['ListObjectsV2']);
  },
  30_000,
);

test('prepareFile imports a replaced object again', async () => {
  await put('train.json', '{"images": 1}');
  const file = archive('train.json', addressOf('train.json'));
  const [first, same] = [await prepareFile(file, place.context), await prepareFile(file, place.context)];
  await put('train.json', '{"images": 2}');
  const other = await prepareFile(file, place.context);
  expect(same).toEqual(first);
  expect(await readFile(other.path, 'utf8')).toBe('{"images": 2}');
  expect(await readFile(first.path, 'utf8')).toBe('{"images": 1}');
  expect(fetched()).toHaveLength(2);
});

test('prepareFile stops on abort, keeps complete images only, and fetches nothing twice', async () => {
  await threeImages();
  const stop = new AbortController();
  const reason = new Error('the worker stops');
  place.context.limits = { ...place.context.limits, connections: 1 };
  place.hooks.push(({ command, key }) => {
    if (command === 'GetObject' && key.endsWith('c.jpg')) setTimeout(() => stop.abort(reason), 1);
  });
  const slow = { ...place.context.limits, pauseMsAfter: (bytes: number) => (bytes > 1000 ? 50 : 0) };
  const stopped = prepareFile(imagesAt('images/'), { ...place.context, limits: slow, signal: stop.signal });
  await expect(stopped).rejects.toBe(reason);
  const folder = folderOf('images/');
  expect(await readdir(folder)).toHaveLength(2);

  // State after kill -9.
  await writeFile(`${folder}/${'a'.repeat(64)}.1234.tmp`, 'half');
  await mkdir(`${folder}/tree/line 1`, { recursive: true });
  await writeFile(`${folder}/tree/old.jpg`, 'from an earlier call');
  place.hooks.length = 0;
  place.requests.length = 0;
  await prepareFile(imagesAt('images/'), place.context);
  expect(fetched()).toEqual(['images/line 1/c.jpg']);
  expect(await readdir(folder)).toHaveLength(3);
});

test('two concurrent prepareFile calls import a prefix once', async () => {
  await threeImages();
  const [one, other] = await Promise.all([
    prepareFile(imagesAt('images/'), place.context),
    prepareFile(imagesAt('images/'), place.context),
  ]);
  expect(other).toEqual(one);
  expect(fetched()).toHaveLength(3);
});

test('prepareFile lists keys that no folder can hold and fetches nothing', async () => {
  await threeImages();
  await put('images/LINE 1/C.jpg', 'twin');
  await put('images/line\nbreak.jpg', 'x');
  await put('images/one\u0001.jpg', 'x');
  const failure = prepareFile(imagesAt('images/'), place.context);
  await expect(failure).rejects.toMatchObject({ code: 'DatasetInvalid' });
  await expect(failure).rejects.toThrow('has a control character in its key: 2 objects ("line\\nbreak.jpg"');
  await expect(failure).rejects.toThrow('differs from another key only in case');
  expect(fetched()).toEqual([]);
  await expect(readdir(homeFolders(place.home).prefixes)).rejects.toThrow('ENOENT');
});

test.each([
  ['nothing under the prefix', () => addressOf('none/'), 'DatasetInvalid', 'there are no objects under this prefix'],
  ['no such bucket', () => 's3://elsewhere/images/', 'DownloadRefused', 's3://elsewhere/images/ responded with 40'],
  ['no such object', () => addressOf('none.json'), 'DownloadRefused', 'none.json responded with 404'],
  ['a foreign bucket', () => 's3://others/images/', 'DownloadRefused', 'neither the catalog nor the plan allows'],
])('prepareFile rejects %s with a remedy', async (_, address, code, text) => {
  const failure = prepareFile(archive('images', address()), place.context);
  await expect(failure).rejects.toMatchObject({ code });
  await expect(failure).rejects.toThrow(text);
  await expect(failure).rejects.toThrow('\nNext: ');
});

test('prepareFile reports wrong credentials', async () => {
  const stranger = await createPreparationContext({
    endpoint: server.endpoint,
    bucket: server.bucket,
    credentials: { ...server.credentials, secretAccessKey: 'another' },
  });
  const failure = prepareFile(imagesAt('images/'), stranger.context);
  await expect(failure).rejects.toMatchObject({ code: 'DownloadRefused' });
  await expect(failure).rejects.toThrow('responded with 403 (SignatureDoesNotMatch');
  await stranger.remove();
});

test('withPrefixFolder throws DiskFull before it fetches anything', async () => {
  const object = { key: `${top}/images/a.jpg`, bytes: 1e15, etag: '"1"', lastModified: null };
  const files = [{ object, name: 'a.jpg', copyName: 'a' }];
  const copy = {
    folder: `${place.home}/copy`,
    displayName: 's3://mine/images/',
    progressName: 'images',
    files,
    addressOf: () => '',
  };
  const failure = withPrefixFolder(copy, place.context, () => Promise.resolve());
  await expect(failure).rejects.toMatchObject({ code: 'DiskFull' });
  expect(place.requests).toEqual([]);
});

test('checkInputs reports new objects of a prefix, a complete copy, or invalid keys', async () => {
  await threeImages();
  const plan = { ...miniPlan, dataset: { ...miniPlan.dataset, id: 'own', archives: [imagesAt('images/')] } };
  const check = async () => (await checkInputs((files) => findMissing(files, place.context), plan))[0];
  expect(await check()).toMatchObject({ verdict: 'ok', message: 'own: 9.0 MB to download in 1 file' });
  await prepareFile(imagesAt('images/'), place.context);
  expect(await check()).toMatchObject({ verdict: 'ok', message: 'own: its file is stored' });
  await put('images/d.jpg', Buffer.alloc(2_000_000));
  place.requests.length = 0;
  expect(await check()).toMatchObject({ verdict: 'ok', message: 'own: 2.0 MB to download in 1 file' });
  expect(fetched()).toEqual([]);
  await put('images/D.jpg', 'twin');
  expect(await check()).toMatchObject({ verdict: 'error', message: expect.stringContaining('only in case') as string });
});
