import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatGpuCheck } from '../../../infra/terminal/format-gpu-check.ts';
import { GpuCheck } from '../../../configs/schema/index.ts';
import { projectRoot } from '../../helpers/project.ts';

const iterations = 6;

const gpuCheck = (...argv: string[]) =>
  execa(process.execPath, ['--import', 'tsx', 'infra/cli/gpu-check.ts', ...argv], {
    cwd: projectRoot,
    // One thread, as torchrun gives a rank: two would wait for one another on a busy machine.
    env: { OMP_NUM_THREADS: '1', CUDA_VISIBLE_DEVICES: '' },
    reject: false,
    all: true,
  });

let folder: string;
let said: string;
let check: GpuCheck;

beforeAll(async () => {
  folder = await mkdtemp(`${tmpdir()}/everswin-gpu-check-`);
  const out = `${folder}/check.json`;
  const asked = ['--device', 'cpu', '--recipe', 'demo', '--iterations', String(iterations), '--out', out];
  const { all, exitCode } = await gpuCheck(...asked);
  said = all;
  expect(exitCode, said).toBe(0);
  check = GpuCheck.parse(JSON.parse(await readFile(out, 'utf8')));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const measured = (name: string, of = check) => {
  const found = of.variants.find((variant) => variant.name === name)?.measured;
  if (found == null) throw new Error(`expected figures of ${name}`);
  return found;
};

test('the real recipe is trained on a CPU as it is and with the switches', () => {
  expect(check).toMatchObject({ recipe: 'cascade-mask-rcnn_swin-demo', device: 'cpu', batchPerGpu: 2, iterations });
  expect(check.variants.map(({ name, switches }) => [name, switches])).toEqual([
    ['stock', []],
    ['fast', ['sdpaAttention', 'fusedAdamW', 'channelsLast']],
  ]);
  for (const { seconds, losses, peakMemoryMib } of [measured('stock'), measured('fast')]) {
    expect([seconds.length, losses.length, peakMemoryMib]).toEqual([iterations, iterations, null]);
  }
});

test('both loss curves are one, from the same random weights on', () => {
  const { losses, lossDifference } = measured('fast');
  expect(new Set(losses).size).toBe(iterations);
  expect(lossDifference?.max).toBeLessThan(1e-4);
  expect(measured('stock').lossDifference).toBeNull();
});

test('hours are those of whole epochs of COCO at the mean pace after the warm-up', () => {
  const { secondsPerStep, seconds, imagesPerSecond, projectedHours } = measured('stock');
  const counted = seconds.slice(check.warmUp);
  expect(check.warmUp).toBe(1);
  expect(secondsPerStep.mean).toBeCloseTo(counted.reduce((sum, one) => sum + one, 0) / counted.length, 9);
  expect(imagesPerSecond).toBeCloseTo(2 / secondsPerStep.mean, 9);
  expect(check.projection).toEqual({ gpus: 4, epochs: 10, stepsPerEpoch: 14_659 });
  expect(projectedHours).toBeCloseTo((secondsPerStep.mean * 14_659 * 10) / 3600, 6);
});

test('the terminal shows a line for each variant, what it had, and where all figures are', () => {
  expect(said).toMatch(/^stock +\d+\.\d{3} +\d+\.\d{3} +\d+\.\d{2} +– +\d+\.\d +– +–$/m);
  expect(said).toMatch(/^fast +\d+\.\d{3} .* – +\d+\.\d +\S+ +\S+$/m);
  expect(said).toContain('fast: sdpaAttention, fusedAdamW, channelsLast; 4 loader processes a GPU');
  expect(said).toContain(`All results: ${folder}/check.json`);
});

test('a variant that failed, noise and a GPU that others use are told under the table', () => {
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
  const drawn = formatGpuCheck({ ...check, variants });
  expect(drawn).toMatch(/^compiled +failed$/m);
  expect(drawn).toMatch(/^stock again .* 12\.6 +\S+ +0\.040 +0\.30$/m);
  expect(drawn).toContain('Two runs of stock differ by 0.040 in the mean');
  expect(drawn).toContain('stock again: 9000 MiB of the GPU were in use before it began');
  expect(drawn.endsWith('no compiler')).toBe(true);
});

test('without a GPU it says so instead of measuring something else', async () => {
  const { all, exitCode } = await gpuCheck('--device', 'cuda', '--out', `${folder}/none.json`);
  expect(exitCode).toBe(1);
  expect(all).toContain('expected --device cuda to find 1 GPU(s), got 0');
  expect(all).toContain('--device cpu --recipe demo');
});

test('an unknown recipe is answered with those there are', async () => {
  const { all, exitCode } = await gpuCheck('--recipe', 'swin-x_blog', '--device', 'cpu');
  expect(exitCode).toBe(1);
  expect(all).toMatch(/expected --recipe to be one of .*cascade-mask-rcnn_swin-s_blog.*, got swin-x_blog/);
});
