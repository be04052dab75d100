import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { cachedStep, type Step } from '../../../../activities/shared/steps/step-cache.ts';

let home: string;
beforeEach(async () => (home = await mkdtemp(`${tmpdir()}/everswin-steps-`)));
afterEach(() => rm(home, { recursive: true, force: true }));

let done = 0;
const step = (fields: Record<string, string>, change: Partial<Step<number>> = {}) =>
  cachedStep<number>({
    home,
    step: 'weights',
    subject: 'swin-s',
    fields,
    fresh: false,
    output: z.int(),
    findDamage: () => Promise.resolve(undefined),
    work: () => Promise.resolve(++done),
    ...change,
  });

test('a step is done once and its result is served again, with a word on what was compared', async () => {
  const first = await step({ sha256: 'a', recipe: 'b' });
  const second = await step({ sha256: 'a', recipe: 'b' });
  expect(first.outcome).toEqual({ step: 'weights', hit: false, why: 'miss: never done here before' });
  expect(second.output).toBe(first.output);
  expect(second.outcome.hit).toBe(true);
  expect(second.outcome.why).toMatch(/^hit: done on .* UTC, sha256, recipe unchanged/);
});

test('a miss names each field that changed, from what to what, held against the most similar earlier result', async () => {
  await step({ sha256: '1'.repeat(64), recipe: 'old', tools: 'x' });
  await step({ sha256: '2'.repeat(64), recipe: 'older', tools: 'y' });
  const { outcome } = await step({ sha256: '3'.repeat(64), recipe: 'old', tools: 'x' });
  expect(outcome.why).toBe('miss: sha256 changed (111111111111 → 333333333333)');
});

test('a field that is new or gone is a miss that says so', async () => {
  await step({ a: '1', b: '2' });
  expect((await step({ a: '1', c: '3' })).outcome.why).toBe('miss: b is gone, c is new');
});

test('a result whose files are damaged is made again, and the reason is told', async () => {
  const first = await step({ a: '1' });
  const second = await step({ a: '1' }, { findDamage: () => Promise.resolve('the file is gone') });
  expect(second.outcome.why).toBe('miss: done before, but the file is gone');
  expect(second.output).not.toBe(first.output);
});

test('fresh does a step again whatever there is', async () => {
  const first = await step({ a: '1' });
  const second = await step({ a: '1' }, { fresh: true });
  expect(second.output).not.toBe(first.output);
  expect(second.outcome.why).toBe('miss: done anew, as asked for');
});

test('a result that failed is not remembered', async () => {
  await expect(step({ a: '1' }, { work: () => Promise.reject(new Error('no')) })).rejects.toThrow('no');
  expect((await step({ a: '1' })).outcome.why).toBe('miss: never done here before');
});

test('the same fields of another subject are another step', async () => {
  await step({ a: '1' });
  expect((await step({ a: '1' }, { subject: 'swin-t' })).outcome.hit).toBe(false);
});
