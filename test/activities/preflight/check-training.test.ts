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
const says = (about: string, asked = plan, facts = known) =>
  checkTraining({ plan: asked, known: facts }).find((one) => one.name === about);

test.each([
  [4, 2, 14_659],
  [8, 2, 7_330],
  [1, 8, 14_659],
  [4, 4, 7_330],
])('on %i GPUs with %i images each an epoch of COCO has %i iterations', (gpus, batchPerGpu, iterations) => {
  expect(iterationsPerEpoch(117_266, { gpus, batchPerGpu })).toBe(iterations);
});

test('a checkpoint of Swin-S has its 1.28 GB', () => {
  expect(checkpointBytes(106_950_000) / 1e9).toBeCloseTo(1.28, 2);
});

test('steps and hours are those of the seed', () => {
  expect(says('steps')?.message).toBe('36 epochs of 14,659, 527,724 in all: 117,266 images, 4 x 2 images a step');
  expect(says('duration')?.message).toMatch(/^about 91 h on 4x RTX 3090/);
});

test('another batch than the learning rate was chosen for is a warning, and nothing is scaled silently', () => {
  expect(says('learning rate')).toMatchObject({ verdict: 'ok' });
  const found = says('learning rate', plan, { ...known, batch: 16 });
  expect(found).toMatchObject({ verdict: 'warning' });
  expect(found?.message).toContain('the linear rule would make it 0.00005, and nothing is changed by itself');
});

test('a speed switch is a warning until somebody tried it on a GPU', () => {
  expect(says('speed switches')).toMatchObject({ verdict: 'ok', remedy: null });
  const speed = SpeedSwitches.parse({ sdpaAttention: true, fusedAdamW: true });
  const found = says('speed switches', { ...plan, speed });
  expect(found).toMatchObject({ verdict: 'warning' });
  expect(found?.message).toMatch(/^fusedAdamW, sdpaAttention: equal on a CPU/);
  expect(found?.remedy).toContain('npm run gpu-check');
});

test('what nobody knows is said to be unknown', () => {
  expect(says('duration', plan, { title: 'mine', epochs: 12, references: [] })?.message).toContain(
    'nobody has measured',
  );
  expect(checkExpectation({ references: [] }).message).toContain('nobody has published');
});

test('a disk that is too small stops the run and says how much is missing', () => {
  const needs = [
    { label: 'to fetch', bytes: 20e9 },
    { label: 'of 7 checkpoints', bytes: 9e9 },
  ];
  expect(checkDisk(needs, 100e9, '/data')).toMatchObject({ verdict: 'ok', remedy: null });
  expect(checkDisk(needs, 30e9, '/data')).toMatchObject({ verdict: 'warning' });
  expect(checkDisk(needs, 10e9, '/data')).toMatchObject({
    verdict: 'error',
    message: '10.0 GB free in /data, 29.0 GB needed: 20.0 GB to fetch, 9.0 GB of 7 checkpoints',
    remedy: 'Free at least 19.0 GB there, or set EVERSWIN_HOME to a larger disk.',
  });
});
