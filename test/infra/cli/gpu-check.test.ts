import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatGpuCheck } from '../../../infra/terminal/format-gpu-check.ts';
import { GpuCheck } from '../../../configs/schema/index.ts';
import { projectRoot } from '../../helpers/project.ts';

const iterations = 6;

const gpuCheck = (...argv: string[]) =>
  execa(process.execPath, ['infra/cli/main.ts', 'gpu-check', ...argv], {
    cwd: projectRoot,
    // One thread, as torchrun sets it: two would wait for each other on a busy machine.
    env: { OMP_NUM_THREADS: '1', CUDA_VISIBLE_DEVICES: '' },
    reject: false,
    all: true,
  });

let folder: string;
let output: string;
let check: GpuCheck;

beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-gpu-check-`);
  const out = `${folder}/check.json`;
  const argv = ['--device', 'cpu', '--recipe', 'demo', '--iterations', String(iterations), '--out', out];
  const { all, exitCode } = await gpuCheck(...argv);
  output = all;
  expect(exitCode, output).toBe(0);
  check = GpuCheck.parse(JSON.parse(await readFile(out, 'utf8')));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const measured = (name: string, of = check) => {
  const found = of.variants.find((variant) => variant.name === name)?.measured;
  if (found == null) throw new Error(`expected figures of ${name}`);
  return found;
};

test('gpu-check trains the recipe on a CPU with and without the speed switches', () => {
  expect(check).toMatchObject({ recipe: 'cascade-mask-rcnn_swin-demo', device: 'cpu', batchPerGpu: 2, iterations });
  expect(check.variants.map(({ name, switches }) => [name, switches])).toEqual([
    ['stock', []],
    ['fast', ['fewerSyncs', 'sdpaAttention', 'fusedAdamW', 'channelsLast']],
  ]);
  for (const { seconds, losses, peakMemoryMib } of [measured('stock'), measured('fast')]) {
    expect([seconds.length, losses.length, peakMemoryMib]).toEqual([iterations, iterations, null]);
  }
});

test('stock and fast start from the same weights and have the same losses', () => {
  const { losses, lossDifference } = measured('fast');
  expect(new Set(losses).size).toBe(iterations);
  expect(lossDifference?.max).toBeLessThan(1e-4);
  expect(measured('stock').lossDifference).toBeNull();
});

test('projected hours are epochs of COCO at the mean step time after the warm-up', () => {
  const { secondsPerStep, seconds, imagesPerSecond, projectedHours } = measured('stock');
  const counted = seconds.slice(check.warmUp);
  expect(check.warmUp).toBe(1);
  expect(secondsPerStep.mean).toBeCloseTo(counted.reduce((sum, one) => sum + one, 0) / counted.length, 9);
  expect(imagesPerSecond).toBeCloseTo(2 / secondsPerStep.mean, 9);
  expect(check.projection).toEqual({ gpus: 4, epochs: 10, stepsPerEpoch: 14_659 });
  expect(projectedHours).toBeCloseTo((secondsPerStep.mean * 14_659 * 10) / 3600, 6);
});

test('gpu-check prints a row and the switches of each variant, and the file with all results', () => {
  expect(output).toMatch(/^stock +\d+\.\d{3} +\d+\.\d{3} +\d+\.\d{2} +– +\d+\.\d +– +–$/m);
  expect(output).toMatch(/^fast +\d+\.\d{3} .* – +\d+\.\d +\S+ +\S+$/m);
  expect(output).toContain('fast: fewerSyncs, sdpaAttention, fusedAdamW, channelsLast; 4 loader workers per GPU');
  expect(output).toContain(`All results: ${folder}/check.json`);
});

test('formatGpuCheck adds notes on failures, noise and a GPU that other processes use', () => {
  const variants = [
    ...check.variants,
    { name: 'compiled', switches: ['compileBackbone'], loaderWorkers: 4, error: 'no compiler', measured: null },
    {
      name: 'stock again',
      switches: [],
      loaderWorkers: 2,
      error: null,
      measured: {
        ...measured('stock'),
        peakMemoryMib: 12_000,
        memoryInUseMib: 9000,
        lossDifference: { max: 0.3, mean: 0.04, meanLoss: 2 },
      },
    },
  ];
  const formatted = formatGpuCheck({ ...check, variants });
  expect(formatted).toMatch(/^compiled +failed$/m);
  expect(formatted).toMatch(/^stock again .* 12\.6 +\S+ +0\.040 +0\.30$/m);
  expect(formatted).toContain('The losses of two stock runs differ by 0.040 on average');
  expect(formatted).toContain('stock again: 9000 MiB of GPU memory were in use before the measurement');
  expect(formatted.endsWith('no compiler')).toBe(true);
});

test('gpu-check --device cuda fails when the machine has no GPU', async () => {
  const { all, exitCode } = await gpuCheck('--device', 'cuda', '--out', `${folder}/none.json`);
  expect(exitCode).toBe(1);
  expect(all).toContain('expected --device cuda to find 1 GPU(s), got 0');
  expect(all).toContain('--device cpu --recipe demo');
});

test('gpu-check lists the recipes when the name is unknown', async () => {
  const { all, exitCode } = await gpuCheck('--recipe', 'swin-x_blog', '--device', 'cpu');
  expect(exitCode).toBe(2);
  expect(all).toMatch(/Expected --recipe to be one of .*cascade-mask-rcnn_swin-s_blog.*, got swin-x_blog/);
});
