/** Input files that a tired person writes, and the answers. */
// cspell:ignore blogg chekpoint chnge datset demoo gian gihub slak
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { omitRunName } from '../../helpers/omit-run-name.ts';
import { readRetrainInput, readRunInput, readSweepInput } from '../../../infra/cli/read-input.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-inputs-`);
});
afterAll(() => rm(folder, { recursive: true }));

const run = {
  version: 1,
  name: 'walk',
  recipe: 'cascade-mask-rcnn_swin-demo',
  dataset: 'mini-coco',
  weights: { backbone: 'swin-mini-imagenet1k' },
  epochs: 12,
  gpus: 1,
  batchPerGpu: 2,
};

/** Reads a file with this content. Returns the lines of the error without the long lists of valid names. */
async function answer(content: string | Buffer, read: (file: string) => Promise<object> = readRunInput) {
  const file = `${folder}/my.json`;
  await writeFile(file, content);
  const error = await read(file).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) return [];
  const lines = error.message.replaceAll(file, 'my.json').split('\n');
  return lines.map((line) => line.replace(/ Available: .*/, ''));
}

const problemsOf = async (input: object, read?: (file: string) => Promise<object>) => {
  const [head = '', ...problems] = await answer(JSON.stringify(input), read);
  if (problems.length > 0)
    expect(head).toBe(`my.json has ${problems.length - 1} problem${problems.length === 2 ? '' : 's'}:`);
  return problems.filter((line) => line.startsWith('- ')).map((line) => line.slice(2));
};

test.each<[what: string, change: object, ...problems: string[]]>([
  [
    'a misspelled field with a wrong value',
    { epochs: undefined, epoch: 0 },
    'unknown field `epoch`: did you mean `epochs`?',
    'epochs: expected a whole number from 1 to 1000, got 0',
  ],
  [
    'names of another program',
    { batchPerGpu: undefined, batch_size: 99, seed: undefined, random_seed: 1 },
    'unknown field `batch_size`: did you mean `batchPerGpu`?',
    'unknown field `random_seed`: did you mean `seed`?',
    'batchPerGpu: expected a whole number from 1 to 64, got 99',
  ],
  [
    'misspelled fields inside of misspelled fields',
    { chekpoint: { keepLst: 1 } },
    'unknown field `chekpoint`: did you mean `checkpoint`?',
    'unknown field `checkpoint.keepLst`: did you mean `keepLast`?',
    'checkpoint.keepLast: expected a whole number from 2 to 100, got 1',
  ],
  ['a field in the wrong place', { keepLast: 3 }, 'unknown field `keepLast`: did you mean `checkpoint.keepLast`?'],
  [
    'a setting of the recipe',
    { optimizer: {} },
    'unknown field `optimizer`: it is part of the recipe (docs/reference/recipes.md)',
  ],
  ['a field twice', { Epochs: 3 }, 'unknown field `Epochs`: remove it, `epochs` is set already'],
  [
    'unknown recipe, data set and weights',
    { recipe: 'swin-s_blok', dataset: 'coco', weights: { backbone: 'swin-s-imagenet' } },
    'recipe: There is no recipe "swin-s_blok".',
    'dataset: The catalog has no data set "coco": did you mean "coco-2017" or "mini-coco"?',
    'weights.backbone: The catalog has no weights "swin-s-imagenet": did you mean "swin-s-imagenet1k"?',
  ],
  [
    'a recipe as a path and a data set in capitals',
    { recipe: 'configs/mmdet/cascade-mask-rcnn_swin-demo.py', dataset: 'Mini-COCO' },
    'recipe: There is no recipe "configs/mmdet/cascade-mask-rcnn_swin-demo.py": did you mean "cascade-mask-rcnn_swin-demo"?',
    'dataset: The catalog has no data set "Mini-COCO": did you mean "mini-coco"?',
  ],
  [
    'rules across fields next to wrong fields',
    { epochs: 0, gpus: 3, hosts: ['a', 'b'], weights: {}, name: 5 },
    'name: expected a string, got 5',
    'weights: expected either `backbone`, ImageNet weights of the catalog, or `detector`, a complete detector, got neither',
    'epochs: expected a whole number from 1 to 1000, got 0',
    'gpus: expected all GPUs together to be a multiple of the 2 hosts, got 3',
  ],
  [
    'epochs that the run does not have',
    { checkpoint: { milestones: [8, 11, 50] } },
    'checkpoint.milestones: Expected epochs of this run, which ends after epoch 12, got 50.',
  ],
  [
    'values in quotes',
    { epochs: '12', extractImages: 'true', version: '1', checkpoint: { everyMinutes: '5' } },
    'version: expected 1, got "1": remove the quotes',
    'epochs: expected a whole number from 1 to 1000, got "12": remove the quotes',
    'checkpoint.everyMinutes: expected "auto" or a number above 0 and at most 1440, got "5": remove the quotes',
    'extractImages: expected true or false, got "true": remove the quotes',
  ],
  [
    'values of other types',
    { gpus: 0.5, seed: null, hosts: 'gpu-a', notify: [], artifacts: 's3://b/c', note: 'x'.repeat(2001) },
    'gpus: expected a whole number from 1 to 64, got 0.5',
    'hosts: expected a list of 1 to 64 entries, got "gpu-a": write ["gpu-a"]',
    'seed: expected a whole number from 0 to 2147483647, got null',
    'artifacts: expected an object such as { "store": … }, got "s3://b/c"',
    'note: expected a string of at most 2000 characters, got 2001 characters',
  ],
  [
    'misspelled values',
    { recovery: { mayChange: ['datset'] }, notify: [{ to: 'slak', ref: 'OPS' }], artifacts: { store: 's3:/b' } },
    'recovery.mayChange[0]: expected one of "recipe", "dataset", "weights", "epochs", "gpus", "batchPerGpu", "learningRate", "seed", "speed", got "datset": did you mean "dataset"?',
    'artifacts.store: expected "local" or an address such as "s3://my-bucket/everswin", got "s3:/b"',
    'notify[0].to: expected one of "webhook", "slack", "smtp", got "slak": did you mean "slack"?',
  ],
  [
    'missing fields',
    { version: undefined, name: undefined, weights: undefined },
    '`version` is missing: expected 1',
    '`name` is missing',
    '`weights` is missing',
  ],
  [
    'a host that is not allowed',
    {
      catalog: { weights: { mine: { title: 'x', source: { file: 'a.pth', urls: ['https://gihub.com/a'] } } } },
      weights: { backbone: 'mine' },
    },
    'catalog: The input uses hosts that configs/catalog.json does not list: gihub.com (did you mean github.com?). Add them to transfers.allowHosts if you trust them.',
  ],
])('readRunInput answers %s', async (_, change, ...problems) => {
  expect(await problemsOf({ ...run, ...change })).toEqual(problems);
});

const { version } = run;
const settings = omitRunName(run);
const base = { version, ...settings };

test.each(['run:walk', 'model:shapes', 'model:shapes@candidate', '/data/model.pth'])(
  'readRunInput leaves weights %s to the worker',
  async (detector) => {
    expect(await problemsOf({ ...run, weights: { detector } })).toEqual([]);
  },
);

test('readSweepInput and readRetrainInput name all problems with their place', async () => {
  const variants = [
    { name: 'a', chnge: { epoch: 2 } },
    { name: 'b', change: { dataset: 'q', recipe: 'swin-dem' } },
  ];
  expect(
    await problemsOf({ version, name: 's', base: { ...base, dataset: 'coco2017' }, variants }, readSweepInput),
  ).toEqual([
    'unknown field `variants[0].chnge`: did you mean `change`?',
    'unknown field `variants[0].change.epoch`: did you mean `epochs`?',
    'unknown field `variants[1].change.dataset`: did you mean `base.dataset`?',
    'base.dataset: The catalog has no data set "coco2017": did you mean "coco-2017"?',
    'variants[1].change.recipe: There is no recipe "swin-dem": did you mean "cascade-mask-rcnn_swin-demo"?',
  ]);
  const model = { version, model: 'Shapes', run: { ...settings, gpus: 3, hosts: ['a', 'b'] }, promote: { by: 'me' } };
  expect(await problemsOf({ ...model, gate: { gian: 1 } }, readRetrainInput)).toEqual([
    'unknown field `gate.gian`: did you mean `gain`?',
    'model: expected the model to be 1-63 of a-z 0-9 . _ - starting with a letter or digit, without "..", got "Shapes"',
    'run.gpus: expected all GPUs together to be a multiple of the 2 hosts, got 3',
    'promote.by: expected "gate" or "person", got "me"',
  ]);
});

test.each<[what: string, text: string, place: string, message: string]>([
  [
    'a trailing comma',
    '{\n  "epochs": 2,\n}',
    '2, column 14',
    'remove the comma before }. JSON5 and JSONC are not accepted.',
  ],
  [
    'single quotes',
    "{\n  'epochs': 2\n}",
    '2, column 3',
    `text needs double quotes ", not '. JSON5 and JSONC are not accepted.`,
  ],
  [
    'comments',
    '{\n  "a": 1, // x\n  # y\n  "b": 2\n}',
    '2, column 11',
    'JSON has no comments. Remove it, or use the field "note". JSON5 and JSONC are not accepted. The same problem is in line 3.',
  ],
  ['a missing comma', '{\n  "a": 1\n  "b": 2\n}', '2, column 9', 'a comma is missing at the end of line 2.'],
  ['a missing quote', '{\n  "name": "walk,\n  "b": 2\n}', '2, column 11', 'the closing quote " is missing.'],
  ['a missing opening quote', '{\n  "name: "walk"\n}', '2, column 11', 'a quote " is missing before this place.'],
  [
    'a missing brace',
    '{\n  "weights": {\n  "b": 2\n}\n',
    '4, column 2',
    'the file ends, but the { of line 1 is not closed. Add }.',
  ],
  ['one brace too many', '{"a": 1}}', '1, column 9', 'there is one } too many.'],
  [
    'a name without quotes',
    '{\n  epochs: 2\n}',
    '2, column 3',
    'the name of a field needs double quotes: "epochs". JSON5 and JSONC are not accepted.',
  ],
  ['text without quotes', '{"name": walk}', '1, column 10', 'text needs double quotes: "walk".'],
  ['Python', '{"fresh": True}', '1, column 11', 'JSON does not know True: write true.'],
  [
    'a path of Windows',
    '{"note": "C:\\data"}',
    '1, column 13',
    'a backslash in text begins an escape. Write two, or use / in paths.',
  ],
  ['quotes of a word processor', '{“a”: 1}', '1, column 2', 'text needs straight quotes ", not “.'],
  ['numbers with separators', '{"epochs": 1,000}', '1, column 13', 'a number has no comma: write 1000, not 1,000.'],
  ['YAML', 'name: walk\nepochs: 2\n', '1, column 1', 'this looks like YAML. Expected a JSON object in braces.'],
])('parseJson shows the place and the cause of %s', async (_, text, place, message) => {
  const [first, line, caret = ''] = await answer(text);
  expect(first).toBe(`my.json is not valid JSON in line ${place}: ${message}`);
  const [number = '', column = ''] = place.split(', column ');
  expect(line).toBe(`  ${number} | ${text.split('\n')[Number(number) - 1] ?? ''}`);
  expect(caret.indexOf('^')).toBe(`  ${number} | `.length + Number(column) - 1);
});

test('parseJson names a field that is given twice, because JSON.parse would drop the first', async () => {
  const [first] = await answer('{\n  "epochs": 2,\n  "epochs": 3\n}');
  expect(first).toBe(
    'my.json has a problem in line 3, column 3: the field "epochs" is given twice, first in line 2. Remove one of them.',
  );
});

test('readRunInput accepts a byte order mark and UTF-16, and refuses files of other kinds', async () => {
  const text = JSON.stringify(run);
  for (const content of [`\ufeff${text}`, Buffer.from(`\ufeff${text}`, 'utf16le')])
    expect(await answer(content)).toEqual([]);
  expect(await answer('  \n')).toEqual(['my.json is empty. Expected a JSON object in braces.']);
  expect(await answer(Buffer.from([0x50, 0x4b, 3, 4, 0, 0xff]))).toEqual([
    expect.stringContaining('is not a text file'),
  ]);
  expect(await answer('[]')).toContain('- input: expected an object such as { "version": … }, got an empty list');
  expect(await answer('{"images": [], "annotations": [], "categories": []}')).toEqual([
    expect.stringContaining('is a COCO annotation file'),
  ]);
  expect(await answer(JSON.stringify({ base, variants: [] }))).toEqual([
    'my.json is a sweep input. Start it with everswin sweep my.json.',
  ]);
  expect(await answer(text, readSweepInput)).toEqual(['my.json is a run input. Start it with everswin start my.json.']);
  await expect(readRunInput('configs/runs/demoo.json')).rejects.toThrow(
    'the file does not exist. Did you mean configs/runs/demo.json?',
  );
  await expect(readRunInput('swin-s-blog')).rejects.toThrow('Did you mean configs/runs/swin-s-blog.json?');
});
