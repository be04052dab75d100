import { expect, test } from 'vitest';
import { parseRetrainInput, parseRunInput, parseSweepInput } from '../../../configs/parse-input.ts';

const run = {
  version: 1,
  name: 'parts',
  recipe: 'cascade-mask-rcnn_swin-demo',
  weights: { backbone: 'swin-mini-imagenet1k' },
  epochs: 1,
  gpus: 1,
  batchPerGpu: 2,
};
const split = (images: string, annotations: string) => ({ images, annotations });
const data = {
  train: split('/data/my parts/train', '/data/train.json'),
  val: split('/data/my parts/val/', '/data/val.json'),
};

function entryOf(short: object) {
  const parsed = parseRunInput({ ...run, data: short });
  if (!parsed.ok) return parsed.problems;
  const entry = parsed.input.catalog.datasets[parsed.input.dataset];
  const files = entry?.archives.map(({ file, urls }) => [file, ...urls]);
  return { files, train: entry?.train.images, trained: entry?.train.annotations, val: entry?.val.images };
}

test('data becomes a data set of the catalog, and parsing it again changes nothing', () => {
  const parsed = parseRunInput({ ...run, data });
  expect(parsed).toMatchObject({ ok: true, input: { dataset: 'parts', name: 'parts' } });
  expect(parsed.ok && 'data' in parsed.input).toBe(false);
  expect(parsed.ok && parseRunInput(parsed.input)).toEqual(parsed);
  expect(entryOf(data)).toEqual({
    files: [
      ['train-images', 'file:///data/my%20parts/train/'],
      ['train-annotations.json', 'file:///data/train.json'],
      ['val-images', 'file:///data/my%20parts/val/'],
      ['val-annotations.json', 'file:///data/val.json'],
    ],
    train: 'train-images',
    trained: 'train-annotations.json',
    val: 'val-images',
  });
});

test('data names a zip file once that holds everything, and folders inside it', () => {
  const zip = 'https://data.example.org/export.zip';
  const both = {
    train: split(`${zip}/train`, `${zip}/train/_annotations.coco.json`),
    val: split(`${zip}/my%20valid/`, `${zip}/valid/_annotations.coco.json`),
  };
  expect(entryOf(both)).toEqual({
    files: [['data.zip', zip]],
    train: 'data.zip/train',
    trained: 'data.zip/train/_annotations.coco.json',
    val: 'data.zip/my valid',
  });
});

test('data with one folder of images for both splits packs it once', () => {
  const shared = { train: split('/d/all', 's3://b/train.json'), val: split('/d/all/', 's3://b/val.json') };
  expect(entryOf(shared)).toMatchObject({ files: [['images', 'file:///d/all/'], { length: 2 }, { length: 2 }] });
});

test.each([
  [split('images', '/a.json'), 'data.train.images: "images" is a relative path'],
  [split('~/images', '/a.json'), 'depends on the user'],
  [split('$HOME/images', '/a.json'), 'depends on the user'],
  [split('C:\\images', '/a.json'), 'path of Windows'],
  [split('gs://bucket/images', '/a.json'), 'addresses with gs: are not supported'],
  [split('file://images', '/a.json'), 'expected three slashes'],
  [split('https://example.org', '/a.json'), 'names no file'],
  [split('/images/*.jpg', '/a.json'), 'is a pattern'],
  [split('/images/a.json', '/a.json'), 'data.train.images: "/images/a.json" is a JSON file'],
  [split('/images', '/annotations/'), 'data.train.annotations: "/annotations/" is a folder'],
  [split('/images', '/export.zip'), 'add the path of the JSON file inside it'],
  [split('', '/a.json'), 'data.train.images: expected a path'],
])('data rejects %j with the remedy', (train, message) => {
  expect(JSON.stringify(entryOf({ ...data, train }))).toContain(JSON.stringify(message).slice(1, -1));
});

test('an input names its data once', () => {
  const problems = (change: object) => {
    const parsed = parseRunInput({ ...run, ...change });
    return parsed.ok ? [] : parsed.problems;
  };
  expect(problems({})).toEqual([expect.stringMatching(/^data: expected either `data`.* got neither$/)]);
  expect(problems({ data, dataset: 'mini-coco' })).toEqual([expect.stringMatching(/^data: .* got both$/)]);
  expect(problems({ data: { ...data, name: 'parts' } })).toEqual([]);
});

test('sweeps and retrainings take the short form', () => {
  const { name, version, ...rest } = { ...run, data };
  const variants = [{ name: 'a' }, { name: 'b', change: { epochs: 2 } }];
  const sweep = parseSweepInput({ version, name, base: { version, ...rest }, variants });
  expect(sweep).toMatchObject({ ok: true, input: { base: { dataset: name } } });
  expect(sweep.ok && parseSweepInput(sweep.input)).toEqual(sweep);
  const retrain = parseRetrainInput({ version, model: 'shapes', run: rest });
  expect(retrain).toMatchObject({ ok: true, input: { run: { dataset: 'shapes' } } });
});
