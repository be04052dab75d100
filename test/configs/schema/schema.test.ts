import { readFile, readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { inputRefusal, parseRunInput } from '../../../configs/parse-input.ts';
import { Catalog } from '../../../configs/schema/index.ts';
import { projectRoot, recipesFolder } from '../../helpers/project.ts';

const valid = {
  version: 1,
  name: 'demo',
  recipe: 'cascade-mask-rcnn_swin-demo',
  dataset: 'mini-coco',
  weights: { backbone: 'swin-mini-imagenet1k' },
  epochs: 10,
  gpus: 1,
  batchPerGpu: 4,
};

const problemsOf = (change: object): string[] => {
  const parsed = parseRunInput({ ...valid, ...change });
  return parsed.ok ? [] : parsed.problems;
};

test('parseRunInput adds the defaults to a minimal input', () => {
  expect(parseRunInput(valid)).toEqual({
    ok: true,
    input: {
      ...valid,
      seed: 0,
      loaderWorkers: 2,
      validationBatch: 1,
      speed: {
        sdpaAttention: false,
        fusedAdamW: false,
        channelsLast: false,
        compileBackbone: false,
        tf32: false,
        halfPrecisionValidation: false,
        fewerSyncs: false,
        expandableSegments: false,
        groupBySize: false,
      },
      logEverySteps: 50,
      checkpoint: { everyMinutes: 10, keepLast: 3 },
      recovery: {
        diverged: { backCheckpoints: 2, learningRateFactor: 0.5, fp32: false, tries: 2 },
        fewerGpus: false,
        outOfMemory: { accumulate: true },
        standby: false,
        startOver: false,
        mayChange: [],
        stallSeconds: { startup: 900, step: 60, validation: 1800, saving: 600 },
      },
      catalog: { datasets: {}, weights: {} },
      extractImages: false,
      transfers: { allowHosts: [], connections: 8 },
      artifacts: { store: 'local' },
      fresh: false,
      force: false,
    },
  });
});

test('parseRunInput lists all problems, each with its path', () => {
  const parsed = parseRunInput({ ...valid, name: '../etc/passwd', epochs: -1, recipe: undefined, lr: 0.1 });
  expect(inputRefusal(parsed.ok ? [] : parsed.problems)).toMatchInlineSnapshot(`
    "The run input has 4 problems:
    - unknown field \`lr\`: did you mean \`learningRate\`?
    - name: expected the name to be 1-63 of a-z 0-9 . _ - starting with a letter or digit, without "..", got "../etc/passwd"
    - \`recipe\` is missing
    - epochs: expected a whole number from 1 to 1000, got -1"
  `);
});

test.each([
  '',
  '.',
  '..',
  'a..b',
  '/abs',
  'a/b',
  'a\\b',
  'a\0b',
  'A',
  '-x',
  'ä',
  ' x',
  'x\n',
  'x'.repeat(64),
  '%2e%2e',
])('parseRunInput rejects the name %j, because names become folders', (name) =>
  expect(problemsOf({ name })).toHaveLength(1),
);

test.each(['demo', 'swin-s-blog', 'a.b_c-1', '0', 'x'.repeat(63)])('parseRunInput accepts the name %j', (name) => {
  expect(problemsOf({ name })).toEqual([]);
});

test.each([null, 42, 'text', [], undefined])('parseRunInput rejects the input %j', (raw) => {
  const parsed = parseRunInput(raw);
  expect(parsed.ok).toBe(false);
});

test('parseRunInput requires two kept checkpoints, because the newest may be damaged', () => {
  expect(problemsOf({ checkpoint: { keepLast: 1 } })[0]).toContain('checkpoint.keepLast');
});

const ownData = (change: object) => ({
  title: 'shapes',
  archives: [
    { file: 'a.zip', urls: ['file:///data/a/'] },
    { file: 'a.json', urls: ['s3://b/a.json'] },
  ],
  train: { images: 'a.zip/train', annotations: 'a.json' },
  val: { images: 'a.zip/val', annotations: 'a.json' },
  ...change,
});

test('parseRunInput accepts a data set of the user without hashes and counts', () => {
  const parsed = parseRunInput({ ...valid, dataset: 'shapes', catalog: { datasets: { shapes: ownData({}) } } });
  expect(parsed).toMatchObject({
    ok: true,
    input: { catalog: { datasets: { shapes: { archives: [{ sha256: null, files: null }, {}], classes: null } } } },
  });
});

test.each([
  ['a split of an unknown archive', { train: { images: 'b.zip', annotations: 'a.json' } }, 'got "b.zip"'],
  ['two files with one name', { archives: Array(2).fill({ file: 'a.zip', urls: ['file:///a'] }) }, 'its own name'],
  ['an address with an unknown scheme', { archives: [{ file: 'a.zip', urls: ['ftp://x/a'] }] }, 'urls'],
  ['a file name with a path', { archives: [{ file: '../a.zip', urls: ['file:///a'] }] }, 'file'],
])('parseRunInput rejects %s and names its path', (_, change, message) => {
  const [problem = ''] = problemsOf({ catalog: { datasets: { shapes: ownData(change) } } });
  expect(problem).toContain('catalog.datasets.shapes');
  expect(problem).toContain(message);
});

test.each(['s3://my-bucket', 's3://my-bucket/runs/of-mine', 'local'])(
  'parseRunInput accepts the artifact store %s',
  (store) => {
    expect(problemsOf({ artifacts: { store } })).toEqual([]);
  },
);

test.each(['s3://', 's3://A', 's3://key:secret@bucket', 's3://b/../c', 'https://bucket', 's3://bucket?x=1', '/data'])(
  'parseRunInput rejects the artifact store %s',
  (store) => expect(problemsOf({ artifacts: { store } })).toHaveLength(1),
);

test('parseRunInput requires either a backbone or a detector', () => {
  const weightsOf = (weights: unknown) => parseRunInput({ ...valid, weights });
  expect(weightsOf({ detector: 'released' })).toMatchObject({ ok: true });
  for (const [weights, got] of [
    [{}, 'neither'],
    [{ backbone: 'a', detector: 'b' }, 'both'],
  ] as const)
    expect(weightsOf(weights)).toMatchObject({
      ok: false,
      problems: [
        `weights: expected either \`backbone\`, ImageNet weights of the catalog, or \`detector\`, a complete detector, got ${got}`,
      ],
    });
});

test('run files are valid and name existing recipes, data sets and weights', async () => {
  const catalog = Catalog.parse(JSON.parse(await readFile(`${projectRoot}/configs/catalog.json`, 'utf8')));
  const recipes = await readdir(recipesFolder);
  for (const file of await readdir(`${projectRoot}/configs/runs`)) {
    const parsed = parseRunInput(JSON.parse(await readFile(`${projectRoot}/configs/runs/${file}`, 'utf8')));
    expect(parsed, file).toMatchObject({ ok: true });
    if (!parsed.ok) continue;
    expect(recipes).toContain(`${parsed.input.recipe}.py`);
    const { datasets, weights } = parsed.input.catalog;
    expect(Object.keys({ ...catalog.datasets, ...datasets })).toContain(parsed.input.dataset);
    expect(Object.keys({ ...catalog.weights, ...weights })).toContain(
      parsed.input.weights.backbone ?? parsed.input.weights.detector,
    );
  }
});

test('parseRunInput requires distinct hosts with equal shares of the GPUs', () => {
  expect(problemsOf({ gpus: 8, hosts: ['gpu-a', 'gpu-b'] })).toEqual([]);
  expect(problemsOf({ gpus: 5, hosts: ['gpu-a', 'gpu-b'] })).toEqual([
    'gpus: expected all GPUs together to be a multiple of the 2 hosts, got 5',
  ]);
  expect(problemsOf({ gpus: 8, hosts: ['gpu-a', 'gpu-b'], recovery: { fewerGpus: true } })).toEqual([
    'recovery.fewerGpus: expected false with 2 hosts, because only one machine can train on fewer GPUs, got true',
  ]);
  expect(problemsOf({ gpus: 8, hosts: ['gpu-a'], recovery: { fewerGpus: true } })).toEqual([]);
  expect(problemsOf({ gpus: 2, hosts: ['gpu-a', 'gpu-a'] })).toEqual(['hosts: expected each host once']);
  expect(problemsOf({ hosts: ['../gpu'] })).toHaveLength(1);
});
