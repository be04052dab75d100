import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolveDataPaths } from '../../../infra/cli/data-paths.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-paths-`);
  await mkdir(`${folder}/images`);
  await mkdir(`${folder}/packed.zip`);
  for (const file of ['train.json', 'val.json', 'photo.jpg']) await writeFile(`${folder}/${file}`, '{}');
});
afterAll(() => rm(folder, { recursive: true }));

const resolved = (images: string, annotations = 'train.json') =>
  resolveDataPaths({ data: { train: { images, annotations } } }, `${folder}/run.json`);

test.each([
  ['images', (at: string) => `${at}/images/`],
  ['./images/', (at: string) => `${at}/images/`],
  ['../there/export.zip/images', (at: string) => `${at}/../there/export.zip/images`],
  ['~/photos', () => `${homedir()}/photos/`],
  ['/srv/missing', () => '/srv/missing/'],
  ['s3://bucket/images/', () => 's3://bucket/images/'],
])('resolveDataPaths resolves %s from the folder of the run file', async (images, expected) => {
  const path = expected(folder).replace(/[^/]+\/\.\.\//, '');
  expect(await resolved(images)).toEqual({
    input: { data: { train: { images: path, annotations: `${folder}/train.json` } } },
    problems: [],
  });
});

test('resolveDataPaths reaches the inputs of sweeps and retrainings', async () => {
  const raw = { base: { data: { train: { images: 'images', annotations: 1 } } }, run: { data: 'x' } };
  const file = `${folder}/sweep.json`;
  expect((await resolveDataPaths(raw, file)).input).toEqual({
    base: { data: { train: { images: `${folder}/images/`, annotations: 1 } } },
    run: { data: 'x' },
  });
});

test.each([
  ['best.pth', (at: string) => `${at}/best.pth`],
  ['./sub/best', (at: string) => `${at}/sub/best`],
  ['../a.safetensors', (at: string) => resolve(at, '../a.safetensors')],
  ['~/best.pth', () => `${homedir()}/best.pth`],
  ['/srv/best.pth', () => '/srv/best.pth'],
  ...['own.pth', 'released', 'run:parts', 'model:parts/v@1', 'Run/parts', 's3://b/best.pth', 'file:///best.pth'].map(
    (name) => [name, () => name] as const,
  ),
] as const)('resolveDataPaths turns the weights %s into a path only if they are a file', async (detector, expected) => {
  const input = { weights: { detector }, catalog: { weights: { 'own.pth': {} } } };
  const raw = { base: input, variants: [{ change: input }] };
  const weights = { detector: expected(folder) };
  expect((await resolveDataPaths(raw, `${folder}/run.json`)).input).toEqual({
    base: { ...input, weights },
    variants: [{ change: { ...input, weights } }],
  });
});

test('resolveDataPaths lists everything of the wrong kind, with the remedy', async () => {
  expect((await resolved('photo.jpg', '.')).problems).toEqual([
    `data.train.images: ${folder}/photo.jpg is a file; expected a folder or a zip file. Name the folder that holds the images`,
    `data.train.annotations: ${folder} is a folder; expected a JSON file. Name one of its files: train.json, val.json`,
  ]);
  expect((await resolved('packed.zip')).problems[0]).toContain(
    'is a folder whose name ends in .zip. Rename the folder',
  );
  expect((await resolved('~root/images')).problems[0]).toContain('write its absolute path');
});
