import { expect, test } from 'vitest';
import { checkDisk } from '../../../activities/preflight/check-disk.ts';
import { checkExpectation, checkTraining } from '../../../activities/preflight/check-training.ts';
import { checkpointBytes, iterationsPerEpoch } from '../../../activities/preflight/training-arithmetic.ts';
import { SpeedSwitches, type RecipeFacts, type RunPlan } from '../../../configs/schema/index.ts';
import { samplePlan } from '../../fixtures/sample-report.ts';

const coco = { images: 118_287, instances: 860_001, annotated: 117_266 };
const plan: RunPlan = {
  ...samplePlan,
  dataset: { ...samplePlan.dataset, train: { ...samplePlan.dataset.train, counts: coco } },
};
const known: RecipeFacts[string] = {
  title: 'Swin-S',
  epochs: 36,
  batch: 8,
  references: [],
  speed: { hardware: '4x RTX 3090', secondsPerEpoch: 9096, imagesPerEpoch: 117_266, source: 'the blog post' },
};
const check = (name: string, checkedPlan = plan, facts = known) =>
  checkTraining({ plan: checkedPlan, known: facts }).find((one) => one.name === name);

test.each([
  [4, 2, 14_659],
  [8, 2, 7_330],
  [1, 8, 14_659],
  [4, 4, 7_330],
])('iterationsPerEpoch on %i GPUs with %i images each is %i for COCO', (gpus, batchPerGpu, iterations) => {
  expect(iterationsPerEpoch(117_266, { gpus, batchPerGpu })).toBe(iterations);
});

test('checkpointBytes estimates 1.28 GB for Swin-S, and 0.43 GB more with an average of the weights', () => {
  expect(checkpointBytes(106_950_000, {}) / 1e9).toBeCloseTo(1.28, 2);
  const weightAverage = { type: 'ExpMomentumEMA', momentum: 0.0002 };
  expect(checkpointBytes(106_950_000, { weightAverage }) / 1e9).toBeCloseTo(1.71, 2);
});

test('checkTraining computes the steps and hours of the blog recipe', () => {
  expect(check('steps')?.message).toBe(
    '36 epochs x 14,659 steps = 527,724 steps (117,266 images, 4 x 2 images per step)',
  );
  expect(check('duration')?.message).toMatch(/^about 91 h on 4x RTX 3090/);
});

test('checkTraining adds up the checkpoints of the blog recipe', () => {
  const sized = { ...known, parameters: 106_950_000 };
  const every = (everyMinutes: 'auto' | number) =>
    check('checkpoint writes', { ...plan, checkpoint: { ...plan.checkpoint, everyMinutes } }, sized)?.message;
  // 546 intervals of ten minutes in 91 hours, and 36 epochs.
  expect(every(10)).toContain(
    '1.3 GB each, one every 10 minutes and at each end of an epoch: 184.8 GB a day, 746.6 GB in all',
  );
  expect(every('auto')).toContain('at most 924.0 GB a day, at most 3.5 TB in all');
  expect(check('checkpoint writes')?.message).toContain('unknown');
});

test('checkTraining warns when the total batch differs from the published one', () => {
  expect(check('learning rate')).toMatchObject({ verdict: 'ok' });
  const found = check('learning rate', plan, { ...known, batch: 16 });
  expect(found).toMatchObject({ verdict: 'warning' });
  expect(found?.message).toContain('linear scaling would give lr 0.00005, but everswin does not change it');
});

test('checkTraining shows the value of linear scaling next to the rate that is used, and never applies it', () => {
  const { summary } = plan.recipe;
  const small = { ...plan, gpus: 1, batchPerGpu: 2 };
  const facts = { ...known, batch: 16 };
  const found = check('learning rate', small, facts);
  expect(found?.message).toBe(
    'AdamW, lr 0.0001 is tuned for a total batch of 16, this run uses 2; linear scaling would give lr 0.0000125, but everswin does not change it; used: 0.0001',
  );
  expect(found?.remedy).toBe(
    'Set "learningRate": 0.0000125 in the input, or gpus x batchPerGpu to 16, or continue with 0.0001.',
  );
  expect(check('learning rate', { ...small, learningRate: 2e-5 }, facts)).toMatchObject({
    verdict: 'ok',
    message:
      "AdamW, lr 0.00002 of the input in place of the recipe's 0.0001; this run has a total batch of 2: linear scaling from the recipe's batch of 16 would give lr 0.0000125",
  });
  const input = { ...small.input, learningRate: summary.lr };
  expect(check('learning rate', { ...small, input }, facts)?.verdict).toBe('ok');
  const high = check('learning rate', { ...small, learningRate: 1.25e-3 }, facts);
  expect(high).toMatchObject({ verdict: 'warning', remedy: 'Set "learningRate": 0.0000125 in the input.' });
  expect(high?.message).toContain('the given one is 100 times as high');
  expect(check('learning rate', { ...small, learningRate: 1.25e-4 }, facts)?.verdict).toBe('ok');
  const own = { ...small, recipe: { ...plan.recipe, summary: { ...summary, baseBatch: 16 } } };
  expect(checkTraining({ plan: own, known: undefined })[1]?.message).toContain(
    'linear scaling would give lr 0.0000125',
  );
});

test('checkTraining warns about speed switches that are not verified on a GPU', () => {
  expect(check('speed switches')).toMatchObject({ verdict: 'ok', remedy: null });
  const speed = SpeedSwitches.parse({ sdpaAttention: true, fusedAdamW: true });
  const found = check('speed switches', { ...plan, speed });
  expect(found).toMatchObject({ verdict: 'warning' });
  expect(found?.message).toMatch(/^fusedAdamW, sdpaAttention: verified on a CPU/);
  expect(found?.remedy).toContain('everswin gpu-check');
});

test('checkTraining refuses groupBySize for a recipe whose image sizes are unknown', () => {
  const summary = { ...plan.recipe.summary, noGroupBySize: 'its data set is a MultiImageMixDataset' };
  const recipe = { ...plan.recipe, summary };
  expect(check('speed switches', { ...plan, recipe })).toMatchObject({ verdict: 'ok' });
  const found = check('speed switches', { ...plan, recipe, speed: SpeedSwitches.parse({ groupBySize: true }) });
  expect(found).toMatchObject({ verdict: 'error', remedy: 'Remove "groupBySize" from "speed" in the input.' });
  expect(found?.message).toContain('groupBySize does not fit');
});

test('checkTraining and checkExpectation report missing facts', () => {
  expect(check('duration', plan, { title: 'mine', epochs: 12, references: [] })?.message).toContain('not measured');
  expect(checkExpectation({ references: [] }).message).toContain('no published result');
});

test('checkDisk returns an error with the missing bytes when the disk is too small', () => {
  const usage = [
    { label: 'to download', bytes: 20e9 },
    { label: 'for 7 checkpoints', bytes: 9e9 },
  ];
  expect(checkDisk(usage, 100e9, '/data')).toMatchObject({ verdict: 'ok', remedy: null });
  expect(checkDisk(usage, 30e9, '/data')).toMatchObject({ verdict: 'warning' });
  expect(checkDisk(usage, 10e9, '/data')).toMatchObject({
    verdict: 'error',
    message: '10.0 GB free in /data, 29.0 GB needed: 20.0 GB to download, 9.0 GB for 7 checkpoints',
    remedy: 'Free at least 19.0 GB, or set EVERSWIN_HOME to a folder on a larger disk.',
  });
});
