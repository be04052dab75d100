import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatGpuCheck } from '../../../infra/terminal/format-gpu-check.ts';
import { GpuCheck } from '../../../configs/schema/index.ts';
import { projectRoot } from '../../helpers/project.ts';

const iterations = 2;
const rounds = 3;

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
  // No limit that a busy machine would reach.
  const argv = [
    '--device',
    'cpu',
    '--recipe',
    'demo',
    '--iterations',
    `${iterations}`,
    '--minutes',
    '60',
    '--out',
    out,
  ];
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

test('gpu-check alternates trainings with and without the speed switches on a CPU', () => {
  expect(check).toMatchObject({ recipe: 'cascade-mask-rcnn_swin-demo', device: 'cpu', batchPerGpu: 2, iterations });
  expect(check.variants.map(({ name, switches, error }) => [name, switches, error])).toEqual([
    ['stock', [], null],
    ['fast', ['fewerSyncs', 'sdpaAttention', 'fusedAdamW', 'channelsLast'], null],
  ]);
  for (const variant of [measured('stock'), measured('fast')]) {
    expect(variant.rounds.map(({ seconds, losses }) => [seconds.length, losses.length])).toEqual(
      Array.from({ length: rounds }, () => [iterations, iterations]),
    );
    expect([variant.peakMemoryMib, variant.kernelLaunches, variant.idleShare]).toEqual([null, null, null]);
  }
  expect(check.seconds).toBeLessThan(check.limitSeconds);
});

test('each round starts from the same weights with the same batches, in every variant', () => {
  const [first, ...others] = measured('stock').rounds;
  expect(new Set(first?.losses).size).toBe(iterations);
  for (const { losses } of others) expect(losses).toEqual(first?.losses);
  expect(measured('stock').lossDifference?.max).toBe(0);
  expect(measured('fast').lossDifference?.max).toBeLessThan(1e-4);
});

test('the recipe gets the positive boxes of a trained detector in each stage', () => {
  const { positives } = measured('stock');
  // The demo samples at most 4 positive boxes per image, and a crop without objects has none.
  expect(positives.map((count) => count > 2 && count <= 4)).toEqual([true, true, true]);
  expect(measured('fast').positives).toEqual(positives);
});

test('both variants have the FLOPs of the model, and no utilization of an unknown peak', () => {
  const { teraflopPerStep, mfu } = measured('stock');
  expect(teraflopPerStep).toBeGreaterThan(0.001);
  expect(measured('fast')).toMatchObject({ teraflopPerStep, mfu });
  expect(mfu).toBeNull();
});

test('the speedup compares steps of the same round', () => {
  const [stock, fast] = [measured('stock'), measured('fast')].map(({ rounds }) =>
    rounds.map(({ seconds }) => seconds.reduce((sum, one) => sum + one, 0)),
  );
  const ratios = stock?.map((seconds, round) => seconds / (fast?.[round] ?? 0)) ?? [];
  const speedup = measured('fast').speedup;
  expect(speedup?.rounds).toHaveLength(rounds);
  ratios.forEach((ratio, round) => expect(speedup?.rounds[round]).toBeCloseTo(ratio, 9));
  expect([speedup?.min, speedup?.max]).toEqual([
    Math.min(...(speedup?.rounds ?? [])),
    Math.max(...(speedup?.rounds ?? [])),
  ]);
  expect(measured('stock').speedup).toBeNull();
});

test('projected hours are epochs of COCO at the mean step time', () => {
  const { secondsPerStep, imagesPerSecond, projectedHours } = measured('stock');
  expect(imagesPerSecond).toBeCloseTo(2 / secondsPerStep.mean, 9);
  expect(check.projection).toEqual({ gpus: 4, epochs: 10, stepsPerEpoch: 14_659 });
  expect(projectedHours).toBeCloseTo((secondsPerStep.mean * 14_659 * 10) / 3600, 6);
});

test('gpu-check prints both tables, the switches of each variant, and the file with all results', () => {
  expect(output).toMatch(/^stock +1 +– +\d+\.\d{3} +\d+\.\d{3} +\d+\.\d{2} +– +\d+\.\d$/m);
  expect(output).toMatch(/^fast +\d+\.\d{2} +\d+\.\d{2}–\d+\.\d{2} +\d+\.\d{3} .*$/m);
  expect(output).toMatch(/^stock +– +– +– +– +– +\d+\.\d{3} +0\.0 +0\.0$/m);
  expect(output).toContain('fast: fewerSyncs, sdpaAttention, fusedAdamW, channelsLast; 4 loader workers per GPU');
  expect(output).toContain('stock 6 steps, fast 6 steps.');
  expect(output).toMatch(/^A step takes 0\.0\d+ TFLOP per GPU\./m);
  expect(output).toMatch(/^Positive boxes per image: [34], [34], [34] in the cascade stages\./m);
  expect(output).toContain(`All results: ${folder}/check.json`);
});

test('formatGpuCheck adds notes on failures, noise, missing steps and a GPU that other processes use', () => {
  const [stock, fast] = check.variants;
  if (stock === undefined || fast === undefined) throw new Error('expected two variants');
  const formatted = formatGpuCheck({
    ...check,
    memoryInUseMib: 9000,
    variants: [
      {
        ...stock,
        measured: {
          ...measured('stock'),
          peakMemoryMib: 12_000,
          reservedMemoryMib: 14_000,
          kernelLaunches: 6100.4,
          streamSyncs: 261,
          idleShare: 0.385,
          lossDifference: { max: 0.3, mean: 0.04, meanLoss: 2 },
        },
      },
      { ...fast, measured: { ...measured('fast'), rounds: measured('fast').rounds.slice(1) } },
      { name: 'compiled', switches: ['compileBackbone'], loaderWorkers: 4, error: 'no compiler', measured: null },
    ],
  });
  expect(formatted).toMatch(/^compiled +failed$/m);
  expect(formatted).toMatch(/^stock +12\.6 +14\.7 +6100 +261 +39 % +\S+ +0\.040 +0\.30$/m);
  expect(formatted).toContain('stock 6 steps, fast 4 steps, compiled 0 steps. 6 were requested: the time was over.');
  expect(formatted).toContain('The losses of two stock trainings differ by 0.040 on average');
  expect(formatted).toContain('9000 MiB of GPU memory were in use before the measurement');
  expect(formatted.endsWith('compiled: no compiler')).toBe(true);
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
