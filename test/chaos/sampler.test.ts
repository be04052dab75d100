import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { sampleTrainers } from './sampler.ts';

const job = `/nowhere/${process.pid}/train`;

/** A process that looks like a program of that attempt. */
const program = (fence: number) =>
  execa('sleep', ['60'], { env: { EVERSWIN_JOB: job, EVERSWIN_FENCE: String(fence) }, reject: false });

test('two processes of one attempt are one trainer', async () => {
  const processes = [program(1), program(1)];
  const sampler = sampleTrainers(() => [job]);
  await sleep(500);
  const { taken, violations } = sampler.stop();
  for (const one of processes) one.kill('SIGKILL');
  expect(taken).toBeGreaterThanOrEqual(4);
  expect(violations).toEqual([]);
});

test('processes of two attempts side by side are a violation', async () => {
  const processes = [program(1), program(2)];
  const sampler = sampleTrainers(() => [job]);
  await sleep(500);
  const { violations } = sampler.stop();
  for (const one of processes) one.kill('SIGKILL');
  expect(violations[0]).toContain(`fence 2 runs beside pid ${processes[0]?.pid} of fence 1`);
});

test('one after the other is what should be', async () => {
  const sampler = sampleTrainers(() => [job]);
  for (const fence of [1, 2, 3]) {
    const one = program(fence);
    await sleep(150);
    one.kill('SIGKILL');
    await one;
  }
  expect(sampler.stop().violations).toEqual([]);
});
