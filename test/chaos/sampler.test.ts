import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { until } from '../helpers/until.ts';
import { sampleTrainers } from './sampler.ts';

const job = `/nowhere/${process.pid}/train`;

/** Starts a process that is marked as a program of this attempt. */
const program = (fence: number) =>
  execa('sleep', ['60'], { env: { EVERSWIN_JOB: job, EVERSWIN_FENCE: String(fence) }, reject: false });

test('sampleTrainers accepts two processes of one attempt', async () => {
  const processes = [program(1), program(1)];
  const sampler = sampleTrainers(() => [job]);
  await until(() => Promise.resolve(sampler.samples.count >= 4 || undefined));
  const { violations } = sampler.stop();
  for (const one of processes) one.kill('SIGKILL');
  expect(violations).toEqual([]);
});

test('sampleTrainers reports processes of two attempts at the same time', async () => {
  const processes = [program(1), program(2)];
  const sampler = sampleTrainers(() => [job]);
  await until(() => Promise.resolve(sampler.samples.violations.length > 0 || undefined));
  const { violations } = sampler.stop();
  for (const one of processes) one.kill('SIGKILL');
  expect(violations[0]).toContain(`fence 2 runs at the same time as pid ${processes[0]?.pid} of fence 1`);
});

test('sampleTrainers accepts attempts one after the other', async () => {
  const sampler = sampleTrainers(() => [job]);
  for (const fence of [1, 2, 3]) {
    const one = program(fence);
    await sleep(150);
    one.kill('SIGKILL');
    await one;
  }
  expect(sampler.stop().violations).toEqual([]);
});
