import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listGpuProblems, readGpuHealth, type HealthReader } from '../../../../activities/shared/trainer/gpu-health.ts';
import { gpuUuid } from '../../../helpers/fake-gpus.ts';
import { createFakeNvml, gpuIsLost, type FakeNvml } from '../../../helpers/fake-nvml.ts';
import { createMiniRun, type MiniRun } from '../../../helpers/mini-run.ts';

let root: string;
let run: MiniRun;
let nvml: FakeNvml;
let reader: HealthReader;
beforeEach(async () => {
  root = await mkdtemp(`${tmpdir()}/everswin-health-`);
  run = await createMiniRun();
  nvml = await createFakeNvml(root, 2);
  reader = { ...nvml.equip(run.dependencies), device: 'cuda' };
});
afterEach(async () => {
  await run.remove();
  await rm(root, { recursive: true, force: true });
});

const never = new AbortController().signal;
const read = (known: string[] = []) => readGpuHealth(reader, { known }, never);

test('readGpuHealth names what is wrong with each GPU', async () => {
  await nvml.set([{ volatile: [0, 1], rows: [0, 1, 0, 1] }, gpuIsLost]);
  const problems = listGpuProblems((await read([gpuUuid(0), gpuUuid(1)])) ?? expect.fail('no reading'));
  expect(problems.map(({ uuid, verdict, kinds }) => [uuid, verdict, kinds])).toEqual([
    [gpuUuid(0), 'unusable', ['ecc', 'remap']],
    [gpuUuid(1), 'unusable', ['lost']],
  ]);
  // The remedy is that of the worst finding.
  expect(problems[0]?.remedy).toBe('Replace the GPU.');
});

test('readGpuHealth warns of other programs at the limit of a lease', async () => {
  await nvml.set([{ processes: [[1, 2048]] }]);
  reader = { ...reader, gpus: { ...reader.gpus, foreignMib: 2048 } };
  expect(listGpuProblems((await read()) ?? expect.fail('no reading'))).toEqual([]);
});

test('readGpuHealth gives up a driver that does not answer', async () => {
  await nvml.set([], { hangs: true });
  reader = { ...reader, gpus: { ...reader.gpus, healthTimeoutSeconds: 1 } };
  const health = await read();
  expect(health?.problem).toBe('the NVIDIA driver did not answer within 1 s');
  expect(listGpuProblems(health ?? expect.fail()).map(({ uuid, verdict }) => [uuid, verdict])).toEqual([
    ['driver', 'warning'],
  ]);
});

test('readGpuHealth ends at once when it is aborted', async () => {
  await nvml.set([], { hangs: true });
  await expect(readGpuHealth(reader, { known: [] }, AbortSignal.timeout(200))).rejects.toThrow('timeout');
});

test('readGpuHealth returns nothing without an NVIDIA driver, and on the CPU', async () => {
  await nvml.set([], { init: 12 });
  expect(await read()).toBeUndefined();
  expect(await readGpuHealth({ ...reader, device: 'cpu' }, { known: [] }, never)).toBeUndefined();
});

test('readGpuHealth reports a program that fails instead of failing itself', async () => {
  reader = { ...reader, python: { ...reader.python, executable: '/missing/python' } };
  expect((await read())?.problem).toContain('the health of the GPUs could not be read: ');
});
