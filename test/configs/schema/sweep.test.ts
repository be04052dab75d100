import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { formatVariantChanges } from '../../../activities/shared/summary/format-variant.ts';
import { parseSweepInput } from '../../../configs/parse-input.ts';
import { SweepInput, variantInput } from '../../../configs/schema/index.ts';
import { projectRoot } from '../../helpers/project.ts';

const base = {
  version: 1,
  recipe: 'mini',
  dataset: 'none',
  weights: { backbone: 'none' },
  epochs: 3,
  gpus: 1,
  batchPerGpu: 1,
  seed: 7,
  speed: { fusedAdamW: true },
};
const sweep = (variants: unknown[], more: object = {}): unknown => ({
  version: 1,
  name: 'lr',
  base,
  variants,
  ...more,
});

const problemsOf = (raw: unknown): string[] => {
  const parsed = parseSweepInput(raw);
  return parsed.ok ? [] : parsed.problems;
};

test('variantInput merges the changes into the base and keeps its other settings', () => {
  const input = SweepInput.parse(
    sweep([{ name: 'a' }, { name: 'b', change: { epochs: 9, speed: { channelsLast: true } } }]),
  );
  const [a, b] = input.variants.map((one) => variantInput(input, one));
  expect(a).toMatchObject({ name: 'lr-a', seed: 7, epochs: 3, loaderWorkers: 2, speed: { fusedAdamW: true } });
  expect(b).toMatchObject({ name: 'lr-b', seed: 7, epochs: 9, speed: { fusedAdamW: false, channelsLast: true } });
});

test('parseSweepInput rejects other data sets and repeated names, and lists every problem', () => {
  expect(problemsOf(sweep([{ name: 'a', change: { dataset: 'other' } }, { name: 'b' }]))).toEqual([
    'unknown field `variants[0].change.dataset`: did you mean `base.dataset`?',
  ]);
  expect(problemsOf(sweep([{ name: 'a' }, { name: 'a' }]))).toEqual([
    'variants[1].name: expected each name once, got "a" again',
  ]);
  expect(problemsOf(sweep([{ name: 'a' }, { name: 'x'.repeat(62) }]))[0]).toContain('1-63 characters');
  expect(problemsOf(sweep([{ name: 'a' }]))[0]).toContain('variants:');
  expect(problemsOf(sweep([{ name: 'a', change: { epochs: 0 } }, { name: '../b' }]))).toEqual([
    expect.stringContaining('variants[0].change.epochs:'),
    expect.stringContaining('variants[1].name: expected the variant'),
  ]);
});

test('parseSweepInput rejects more validations than a workflow history can hold', () => {
  const long = Array.from({ length: 12 }, (_, place) => ({ name: `v${place}`, change: { epochs: 600 } }));
  expect(problemsOf(sweep(long))).toEqual(['variants: expected at most 6000 epochs in all, got 7200']);
});

test('the sweep of heads and batch trains each pair once and changes nothing else', async () => {
  const raw: unknown = JSON.parse(await readFile(`${projectRoot}/configs/sweeps/head-and-batch.json`, 'utf8'));
  const input = SweepInput.parse(raw);
  const runs = input.variants.map((one) => variantInput(input, one));
  expect(runs.map(({ recipe, gpus, batchPerGpu }) => [recipe.split('_').at(-1), gpus * batchPerGpu])).toEqual([
    ['blog', 8],
    ['blog-accumulate', 16],
    ['blog-giou', 8],
    ['blog-giou', 16],
  ]);
  const [first] = runs;
  for (const { name, recipe, batchPerGpu, ...shared } of runs)
    expect({ ...shared, name, recipe, batchPerGpu }).toEqual({ ...first, name, recipe, batchPerGpu });
});

test('the demo sweep is a valid sweep', async () => {
  const raw: unknown = JSON.parse(await readFile(`${projectRoot}/configs/sweeps/demo.json`, 'utf8'));
  expect(SweepInput.parse(raw).variants.map(({ change }) => formatVariantChanges(change))).toEqual([
    'same as the base',
    'seed 7',
    'epochs 2',
    'weights.backbone no-such-weights',
  ]);
});
