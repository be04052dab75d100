import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { importDataset, toRunName } from '../../../infra/cli/import.ts';
import { readRunInput } from '../../../infra/cli/read-input.ts';
import { projectRoot } from '../../helpers/project.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-import-`);
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await rm(folder, { recursive: true });
});

const printed = (): string => vi.mocked(console.log).mock.calls.flat().join('\n');

async function runImport(name: string, options: object = {}): Promise<string> {
  const source = `${folder}/My export (1).zip`;
  await cp(`${projectRoot}/trainer/tests/exports/${name}.zip`, source);
  const out = `${folder}/parts.json`;
  await importDataset(source, { groupBy: 'none', seed: 0, device: 'cpu', out, ...options });
  return out;
}

test('importDataset writes a run file that start reads, next to the images', async () => {
  const out = await runImport('coco-datumaro');
  expect(JSON.parse(await readFile(out, 'utf8'))).toMatchObject({
    name: 'my-export-1',
    data: {
      train: { images: 'My export (1).zip/images/train', annotations: 'parts-data/train.json' },
      val: { images: 'My export (1).zip/images/val', annotations: 'parts-data/val.json' },
    },
  });
  const input = await readRunInput(out);
  // Ten epochs of four steps would learn next to nothing.
  expect(input.epochs).toBe(100);
  expect(printed()).toContain('100 epochs of these data are 400 steps, too few');
  expect(printed()).toContain('set "epochs": 125 in the run file');
  const files = input.catalog.datasets['my-export-1']?.archives.map(({ file, urls: [url] }) => [file, url]);
  expect(files).toEqual([
    ['images.zip', `file://${folder}/My%20export%20(1).zip`],
    ['train-annotations.json', `file://${folder}/parts-data/train.json`],
    ['val-annotations.json', `file://${folder}/parts-data/val.json`],
  ]);
  expect(printed()).toContain('train  8 images, 16 objects');
  expect(printed()).toMatch(/bolt +5 +2\n +nut +11 +2/);
  expect(printed()).toMatch(/Next: +everswin plan .*parts\.json/);
});

test('importDataset never replaces the file to import', async () => {
  const source = `${folder}/one.json`;
  await writeFile(source, '{ "shapes": [] }');
  vi.spyOn(process, 'cwd').mockReturnValue(folder);
  await importDataset('one.json', { groupBy: 'none', seed: 0, device: 'cpu' });
  expect(vi.mocked(console.error).mock.lastCall?.[0]).toContain('one.json is labelme: convert it with labelme2coco');
  const forced = importDataset('one.json', { groupBy: 'none', seed: 0, device: 'cpu', out: 'one.json', force: true });
  await expect(forced).rejects.toThrow('one.json is the file to import');
});

test('importDataset replaces nothing unless asked, and copies on request', async () => {
  await runImport('coco-sahi');
  await expect(runImport('coco-sahi')).rejects.toThrow('or replace with --force');
  const out = await runImport('coco-sahi', { force: true, copy: true });
  const { data } = JSON.parse(await readFile(out, 'utf8')) as { data: { train: object } };
  expect(data.train).toEqual({ images: 'parts-data/My export (1).zip', annotations: 'parts-data/train.json' });
  await readRunInput(out);
});

test.each(['2', '0', '-0.5', '150%', '1e3'])('importDataset names the share %s before other problems', async (val) => {
  const options = { groupBy: 'none', seed: 0, out: folder, val };
  await expect(importDataset('export.zip', options)).rejects.toThrow(`--val ${val}: expected a share between 0 and 1`);
});

test('importDataset works in the folder of the data, twice', async () => {
  await execa('python3', ['-m', 'zipfile', '-e', `${projectRoot}/trainer/tests/exports/coco-sahi.zip`, folder]);
  const options = { groupBy: 'none', seed: 0, device: 'cpu', name: 'own', out: `${folder}/own.json` } as const;
  await importDataset(folder, options);
  await importDataset(folder, { ...options, force: true });
  expect(printed()).toContain('own.json lies in the folder of the images');
  const input = await readRunInput(options.out);
  expect(input.catalog.datasets['own']?.archives[0]?.urls).toEqual([`file://${folder}/`]);
});

test('importDataset writes nothing when the data cannot be used', async () => {
  const out = await runImport('coco-sahi', { groupBy: 'folder' });
  expect(vi.mocked(console.error).mock.calls.flat().join()).toContain('all images are in one group');
  expect(process.exitCode).toBe(1);
  await expect(readFile(out)).rejects.toThrow('ENOENT');
});

test.each([
  ['My Parts (2).zip', 'my-parts-2'],
  ['Übung__é.JSON', 'ubung__e'],
  ['..', 'dataset'],
  ['データ.zip', 'dataset'],
  ['a..b', 'a-b'],
])('toRunName turns %s into %s', (file, name) => expect(toRunName(file)).toBe(name));
