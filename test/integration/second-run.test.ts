/** Prepares the demo twice with its real files: the second time, every step is cached. */
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { computeFingerprint, formatChange } from '../../activities/retrain/fingerprint.ts';
import { homeFolders } from '../../configs/paths.ts';
import type { RunInput } from '../../configs/schema/index.ts';
import { createPreparation, readRunFile } from '../helpers/preparation.ts';

let preparation: Awaited<ReturnType<typeof createPreparation>>;
let demo: RunInput;

beforeAll(async () => {
  preparation = await createPreparation();
  demo = await readRunFile('demo');
});
afterAll(() => preparation.remove());

test('a second run of the same input reuses every step and names the reason', async () => {
  const first = await preparation.prepare(demo);
  expect(first.outcomes.map(({ step, why }) => [step, why])).toEqual([
    ['recipe', 'not cached, building'],
    ['dataset', 'not cached, building'],
    ['weights', 'not cached, building'],
  ]);
  expect(first.dataset).toMatchObject({ images: 120, classes: 3 });

  const second = await preparation.prepare({ ...demo, name: 'demo-again' }, true);
  expect(second.outcomes.map(({ hit }) => hit)).toEqual([true, true, true]);
  expect(second.outcomes[1]?.why).toMatch(/^cached, built on .* train2017\.zip, val2017\.zip, .* unchanged/);
  expect(second.plan.planHash).toBe(first.plan.planHash);
  expect(second.weights.path).toBe(first.weights.path);
});

test('an upgrade reuses every step unless it raises the version of a part', async () => {
  const first = await preparation.prepare(demo);
  const { versions } = first.plan;
  const hash = 'a'.repeat(64);
  const edited = { ...versions, everswin: '99.0.0', trainerCode: hash, trainerLock: hash };
  const second = await preparation.prepare(demo, true, edited);
  expect(second.outcomes.map(({ hit }) => hit)).toEqual([true, true, true]);
  expect(formatChange(computeFingerprint(first.plan), computeFingerprint(second.plan))).toBeUndefined();

  const third = await preparation.prepare(demo, false, { ...versions, trainer: { dataset: 2, weights: 1 } });
  expect(third.outcomes.map(({ why }) => why.replace(/built on .* unchanged/, '…'))).toEqual([
    'cached, …, files verified',
    'not cached, trainer version changed (dataset 1 → dataset 2)',
    'cached, …, files verified',
  ]);
});

test('an archive that was damaged in the store is downloaded again', async () => {
  const { plan, dataset } = await preparation.prepare(demo);
  const [archive] = dataset.archives;
  const path = homeFolders(preparation.home).object(archive?.sha256 ?? '');
  await execa('chmod', ['u+w', path]);
  await execa('truncate', ['--size', '-1', path]);
  await expect(preparation.prepare(demo, true)).rejects.toThrow();
  const repaired = await preparation.prepare(demo);
  expect(repaired.plan.planHash).toBe(plan.planHash);
  expect(repaired.outcomes.map(({ hit }) => hit)).toEqual([true, true, true]);
});

test('a miss names the changed field, and fresh runs every step again', async () => {
  await preparation.prepare(demo);
  const extracted = await preparation.prepare({ ...demo, extractImages: true });
  expect(extracted.outcomes[1]?.why).toBe('not cached, images as files changed (false → true)');
  const fresh = await preparation.prepare({ ...demo, fresh: true });
  expect(fresh.outcomes.map(({ why }) => why)).toEqual(Array(3).fill('not cached, rebuild requested'));
  expect(fresh.plan.planHash).toBe(extracted.plan.planHash);
});
