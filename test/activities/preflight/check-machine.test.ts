import { describe, expect, test } from 'vitest';
import { checkMachine } from '../../../activities/preflight/machine-checks.ts';

import { samplePlan } from '../../fixtures/sample-report.ts';
import type { Check, GpuFacts, MachineFacts, RecipeFacts } from '../../../configs/schema/index.ts';

const gibibyte = 2 ** 30;
const plan = { gpus: 4, batchPerGpu: 2, loaderWorkers: 2, recipe: samplePlan.recipe };
const known: RecipeFacts[string] = {
  title: 'Swin-S',
  epochs: 36,
  parameters: 102_000_000,
  references: [],
  trainingMemoryGb: { least: 12, most: 15, images: 2, source: 'estimated' },
};
const gpu = (index: number, change: Partial<GpuFacts> = {}): GpuFacts => ({
  uuid: `GPU-${index}`,
  index,
  name: 'NVIDIA GeForce RTX 3090',
  driver: '550.54.14',
  memoryTotalBytes: 24 * gibibyte,
  memoryUsedBytes: 0.3 * gibibyte,
  ...change,
});
const box: MachineFacts = {
  device: 'cuda',
  gpus: [gpu(0), gpu(1), gpu(2), gpu(3)],
  foreignGpuProcesses: [],
  memoryBytes: 128 * gibibyte,
  sharedMemoryBytes: 64 * gibibyte,
  openFiles: 65_536,
  cores: 32,
  diskFreeBytes: 1e12,
  trainer: {
    v: 1,
    python: '3.11.7',
    packages: { torch: '2.10.0', 'onedl-mmdetection': '3.5.1' },
    cuda: '12.8',
    cudaDevices: 4,
    nccl: '2.27.5',
    compiledOps: false,
  },
};
const check = (machine: Partial<MachineFacts>, about: string, asked = plan): Check | undefined =>
  checkMachine({ plan: asked, known, machine: { ...box, ...machine } }).find((one) => one.name === about);

test('a box with four empty 3090s is well', () => {
  expect(checkMachine({ plan, known, machine: box }).filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
});

test('whatever is not well says what to do next', () => {
  const poor: Partial<MachineFacts> = { gpus: [gpu(0)], sharedMemoryBytes: 0, openFiles: 1024, memoryBytes: gibibyte };
  const checks = checkMachine({ plan, known, machine: { ...box, ...poor } });
  const bad = checks.filter(({ verdict }) => verdict !== 'ok');
  expect(bad.map(({ name: about }) => about)).toEqual(['GPUs', 'shared memory', 'open files', 'memory']);
  for (const { remedy: next } of bad) expect(next).toMatch(/\.$/);
});

describe('a training is stopped', () => {
  test.each<[string, Partial<MachineFacts>, string, string]>([
    ['no driver answers', { gpus: [] }, 'GPUs', 'no NVIDIA driver answers here'],
    ['there are too few GPUs', { gpus: [gpu(0), gpu(1)] }, 'GPUs', '4 wanted, 2 here'],
    [
      'the driver is too old',
      { gpus: [0, 1, 2, 3].map((index) => gpu(index, { driver: '470.199.02' })) },
      'driver',
      '525',
    ],
    [
      'no GPU is large enough',
      { gpus: [0, 1, 2, 3].map((index) => gpu(index, { memoryTotalBytes: 12e9 })) },
      'GPU memory',
      '15.0 GB needed',
    ],
    ['torch does not see them', { trainer: { ...box.trainer, cudaDevices: 0 } }, 'CUDA', 'sees 0 GPUs of 4'],
    ['torch has no NCCL', { trainer: { ...box.trainer, nccl: null } }, 'NCCL', 'none'],
    ['shared memory is what Docker gives', { sharedMemoryBytes: 64 * 2 ** 20 }, 'shared memory', 'bus error'],
    ['a package is missing', { trainer: { ...box.trainer, packages: { torch: null } } }, 'versions', 'torch missing'],
  ])('when %s', (_when, machine, about, says) => {
    const found = check(machine, about);
    expect(found).toMatchObject({ verdict: 'error' });
    expect(found?.message).toContain(says);
  });

  test('when a real recipe would run on a CPU', () => {
    expect(check({ device: 'cpu' }, 'device')).toMatchObject({ verdict: 'error' });
  });
});

describe('a person is warned', () => {
  test('of memory that others hold, which may become free', () => {
    const full = gpu(3, { memoryUsedBytes: 20 * gibibyte });
    expect(check({ gpus: [gpu(0), gpu(1), gpu(2), full] }, 'GPU memory')).toMatchObject({ verdict: 'warning' });
    // Three GPUs of the four are enough for three ranks.
    expect(check({ gpus: [gpu(0), gpu(1), gpu(2), full] }, 'GPU memory', { ...plan, gpus: 3 })).toMatchObject({
      verdict: 'ok',
    });
  });

  test('of other processes, by name', () => {
    const found = check({ foreignGpuProcesses: ['python (pid 7, 9000 MiB)'] }, 'other GPU processes');
    expect(found).toMatchObject({ verdict: 'warning', message: 'python (pid 7, 9000 MiB)' });
  });
});

test('more images at a time need more memory than was measured, a larger batch in parts does not', () => {
  const four = { ...plan, batchPerGpu: 4 };
  expect(check({}, 'GPU memory', four)).toMatchObject({ verdict: 'error' });
  const recipe = { ...plan.recipe, summary: { ...plan.recipe.summary, imagesAtOnce: 2 } };
  expect(check({}, 'GPU memory', { ...four, recipe })).toMatchObject({ verdict: 'ok' });
});

test('without loader processes shared memory does not matter', () => {
  expect(check({ sharedMemoryBytes: 0 }, 'shared memory', { ...plan, loaderWorkers: 0 })).toMatchObject({
    verdict: 'ok',
  });
});
