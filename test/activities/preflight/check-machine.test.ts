import { describe, expect, test } from 'vitest';
import { checkMachine } from '../../../activities/preflight/machine-checks.ts';

import { samplePlan } from '../../fixtures/sample-report.ts';
import {
  RecoveryPolicy,
  type Check,
  type GpuFacts,
  type GpuHealth,
  type MachineFacts,
  type RecipeFacts,
} from '../../../configs/schema/index.ts';

const gibibyte = 2 ** 30;
const plan = {
  gpus: 4,
  batchPerGpu: 2,
  loaderWorkers: 2,
  epochs: 36,
  dataset: samplePlan.dataset,
  recipe: samplePlan.recipe,
  recovery: RecoveryPolicy.parse({}),
};
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
  gpuHealth: null,
  foreignGpuProcesses: [],
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
    memoryBytes: 128 * gibibyte,
  },
};
const check = (machine: Partial<MachineFacts>, name: string, checkedPlan = plan): Check | undefined =>
  checkMachine({ plan: checkedPlan, known, machine: { ...box, ...machine } }).find((one) => one.name === name);

test('checkMachine passes on a machine with four idle RTX 3090s', () => {
  expect(checkMachine({ plan, known, machine: box }).filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
});

test('checkMachine gives a remedy for each problem', () => {
  const poor: Partial<MachineFacts> = {
    gpus: [gpu(0)],
    sharedMemoryBytes: 0,
    openFiles: 1024,
    trainer: { ...box.trainer, memoryBytes: gibibyte },
  };
  const checks = checkMachine({ plan, known, machine: { ...box, ...poor } });
  const problems = checks.filter(({ verdict }) => verdict !== 'ok');
  expect(problems.map(({ name }) => name)).toEqual(['GPUs', 'shared memory', 'open files', 'memory']);
  for (const { remedy } of problems) expect(remedy).toMatch(/\.$/);
});

describe('checkMachine returns an error', () => {
  test.each<[string, Partial<MachineFacts>, string, string]>([
    ['the driver does not respond', { gpus: [] }, 'GPUs', 'the NVIDIA driver does not respond'],
    ['there are too few GPUs', { gpus: [gpu(0), gpu(1)] }, 'GPUs', '4 GPUs requested, 2 available on this machine'],
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
    ['torch does not see the GPUs', { trainer: { ...box.trainer, cudaDevices: 0 } }, 'CUDA', 'sees 0 GPUs of 4'],
    ['torch has no NCCL', { trainer: { ...box.trainer, nccl: null } }, 'NCCL', 'no NCCL'],
    ['shared memory has the default size of Docker', { sharedMemoryBytes: 64 * 2 ** 20 }, 'shared memory', 'bus error'],
    ['a package is missing', { trainer: { ...box.trainer, packages: { torch: null } } }, 'versions', 'torch missing'],
  ])('when %s', (_when, machine, name, text) => {
    const found = check(machine, name);
    expect(found).toMatchObject({ verdict: 'error' });
    expect(found?.message).toContain(text);
  });

  test('when a large recipe would run on a CPU', () => {
    expect(check({ device: 'cpu' }, 'device')).toMatchObject({ verdict: 'error' });
  });
});

describe('checkMachine returns a warning', () => {
  test('when other processes use GPU memory', () => {
    const full = gpu(3, { memoryUsedBytes: 20 * gibibyte });
    expect(check({ gpus: [gpu(0), gpu(1), gpu(2), full] }, 'GPU memory')).toMatchObject({ verdict: 'warning' });
    // Three free GPUs suffice for three ranks.
    expect(check({ gpus: [gpu(0), gpu(1), gpu(2), full] }, 'GPU memory', { ...plan, gpus: 3 })).toMatchObject({
      verdict: 'ok',
    });
  });

  test('that names other GPU processes', () => {
    const found = check({ foreignGpuProcesses: ['python (pid 7, 9000 MiB)'] }, 'other GPU processes');
    expect(found).toMatchObject({ verdict: 'warning', message: 'python (pid 7, 9000 MiB)' });
  });
});

test('checkMachine scales GPU memory with the images per forward pass, not with the batch', () => {
  const four = { ...plan, batchPerGpu: 4 };
  expect(check({}, 'GPU memory', four)).toMatchObject({ verdict: 'error' });
  const recipe = { ...plan.recipe, summary: { ...plan.recipe.summary, imagesAtOnce: 2 } };
  expect(check({}, 'GPU memory', { ...four, recipe })).toMatchObject({ verdict: 'ok' });
});

describe('checkMachine compares host memory', () => {
  const withMemory = (gib: number, checkedPlan = plan) =>
    check({ trainer: { ...box.trainer, memoryBytes: gib * gibibyte } }, 'memory', checkedPlan);

  test('with the sum of its parts', () => {
    expect([4, 10, 32].map((gib) => withMemory(gib)?.verdict)).toEqual(['error', 'warning', 'ok']);
    expect(withMemory(32)?.message).toMatch(/4 ranks.*the copy of a state that is saved/s);
    expect(withMemory(10, { ...plan, gpus: 1 })?.verdict).toBe('ok');
  });
});

test('checkMachine ignores shared memory when there are no loader processes', () => {
  expect(check({ sharedMemoryBytes: 0 }, 'shared memory', { ...plan, loaderWorkers: 0 })).toMatchObject({
    verdict: 'ok',
  });
});

describe('checkMachine reads the health of the GPUs', () => {
  const finding = (verdict: 'warning' | 'unusable', message: string) => ({
    kind: 'ecc' as const,
    verdict,
    message,
    remedy: 'Reset the GPU.',
  });
  const health = (...findings: ReturnType<typeof finding>[][]): GpuHealth => ({
    v: 1,
    at: 1,
    problem: null,
    waiting: [],
    gpus: findings.map((found, index) => {
      const verdict = found[0]?.verdict ?? 'ok';
      return { uuid: `GPU-${index}`, index, name: 'A100', heldBy: null, verdict, findings: found, facts: {} };
    }),
  });
  const broken = health([], [finding('unusable', 'it is lost')], [], []);

  test('checkMachine warns about a GPU at risk', () => {
    const machine = { gpuHealth: health([], [], [finding('warning', '2 memory errors')], []) };
    expect(check(machine, 'GPUs')?.verdict).toBe('ok');
    expect(check(machine, 'GPU GPU-2')).toMatchObject({ verdict: 'warning', message: '2 memory errors' });
  });

  test('checkMachine returns an error when too few GPUs are usable', () => {
    expect(check({ gpuHealth: broken }, 'GPUs')).toMatchObject({
      verdict: 'error',
      message: '4 GPUs requested, 3 usable on this machine',
    });
    expect(check({ gpuHealth: broken }, 'GPU GPU-1')?.message).toBe('it is lost');
  });

  test('checkMachine warns only when the run may train on fewer GPUs', () => {
    const fewer = { ...plan, recovery: RecoveryPolicy.parse({ fewerGpus: true }) };
    expect(check({ gpuHealth: broken }, 'GPUs', fewer)?.verdict).toBe('warning');
    // One lost GPU may make nvidia-smi fail for all.
    expect(check({ gpus: [], gpuHealth: broken }, 'GPUs', fewer)?.verdict).toBe('warning');
    expect(check({ gpus: [], gpuHealth: broken }, 'GPUs')?.verdict).toBe('error');
    expect(check({ gpus: [], gpuHealth: null }, 'GPUs', fewer)?.verdict).toBe('error');
  });
});
