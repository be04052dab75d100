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

test('cachedStep reuses a result and lists the compared fields', async () => {
  const first = await step({ sha256: 'a', recipe: 'b' });
  const second = await step({ sha256: 'a', recipe: 'b' });
  expect(first.outcome).toEqual({ step: 'weights', hit: false, why: 'not cached, building' });
  expect(second.output).toBe(first.output);
  expect(second.outcome.hit).toBe(true);
  expect(second.outcome.why).toMatch(/^cached, built on .* UTC, sha256, recipe unchanged, files verified$/);
});

test('a cache miss lists the changes from the most similar earlier result', async () => {
  await step({ sha256: '1'.repeat(64), recipe: 'old', tools: 'x' });
  await step({ sha256: '2'.repeat(64), recipe: 'older', tools: 'y' });
  const { outcome } = await step({ sha256: '3'.repeat(64), recipe: 'old', tools: 'x' });
  expect(outcome.why).toBe('not cached, sha256 changed (111111111111 → 333333333333)');
});

test('a cache miss lists added and removed fields', async () => {
  await step({ a: '1', b: '2' });
  expect((await step({ a: '1', c: '3' })).outcome.why).toBe('not cached, b was removed, c was added');
});

test('cachedStep rebuilds a damaged result and reports the damage', async () => {
  const first = await step({ a: '1' });
  const second = await step({ a: '1' }, { findDamage: () => Promise.resolve('the file is gone') });
  expect(second.outcome.why).toBe('not cached, the earlier result is damaged: the file is gone');
  expect(second.output).not.toBe(first.output);
});

test('cachedStep ignores earlier results when fresh is set', async () => {
  const first = await step({ a: '1' });
  const second = await step({ a: '1' }, { fresh: true });
  expect(second.output).not.toBe(first.output);
  expect(second.outcome.why).toBe('not cached, rebuild requested');
});

test('cachedStep does not record a failed step', async () => {
  await expect(step({ a: '1' }, { work: () => Promise.reject(new Error('no')) })).rejects.toThrow('no');
  expect((await step({ a: '1' })).outcome.why).toBe('not cached, building');
});

test('cachedStep does not share results between subjects', async () => {
  await step({ a: '1' });
  expect((await step({ a: '1' }, { subject: 'swin-t' })).outcome.hit).toBe(false);
});
