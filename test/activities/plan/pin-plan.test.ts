import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPinPlan } from '../../../activities/plan/pin-plan.ts';
import { datasetKey, planHash } from '../../../activities/plan/plan-hash.ts';
import type { CatalogArchive, RunPlan } from '../../../configs/schema/index.ts';
import { createMiniRun, miniDataset, miniPlan, miniWeights, type MiniRun } from '../../helpers/mini-run.ts';
import { startingWeights } from '../../../configs/schema/plan-weights.ts';

let run: MiniRun;
beforeEach(async () => (run = await createMiniRun()));
afterEach(() => run.remove());

const archive = (sha256: string | null): CatalogArchive => ({
  file: 'own.zip',
  urls: ['file:///data/own/'],
  bytes: null,
  sha256,
  files: null,
});
const planWith = (sha256: string | null): RunPlan => {
  const dataset = { ...miniPlan.dataset, archives: [archive(sha256)] };
  const plan = { ...miniPlan, dataset: { ...dataset, contentKey: datasetKey(dataset) } };
  return { ...plan, planHash: planHash(plan) };
};
const fetched = (sha256: string) => ({
  ...miniDataset,
  contentKey: datasetKey({ ...miniPlan.dataset, archives: [archive(sha256)] }),
  archives: [{ file: 'own.zip', sha256, bytes: 7 }],
});
const pin = (sha256: string) =>
  createPinPlan(run.dependencies)({ plan: planWith(null), dataset: fetched(sha256), weights: miniWeights });

test('pinPlan makes the plan hash depend on the content of files without a published hash', async () => {
  const [one, same, other] = [await pin('1'.repeat(64)), await pin('1'.repeat(64)), await pin('2'.repeat(64))];
  expect(one.planHash).toBe(same.planHash);
  expect(one.planHash).not.toBe(other.planHash);
  expect(one.dataset.archives[0]).toMatchObject({ sha256: '1'.repeat(64), bytes: 7 });
});

test('pinPlan keeps the hash of a plan whose hashes are all known', async () => {
  const unpinned = planWith('1'.repeat(64));
  const { part, id, source } = startingWeights(unpinned.weights);
  const backbone = { id, source: { ...source, ...miniWeights.source } };
  expect(part).toBe('backbone');
  const plan = { ...unpinned, weights: { backbone } };
  const pinned = await createPinPlan(run.dependencies)({
    plan: { ...plan, planHash: planHash(plan) },
    dataset: fetched('1'.repeat(64)),
    weights: miniWeights,
  });
  expect(pinned.planHash).toBe(planHash(plan));
});

test('pinPlan records the objects of the run for pruning', async () => {
  await pin('1'.repeat(64));
  expect(JSON.parse(await readFile(run.folder.references, 'utf8'))).toEqual({
    v: 1,
    objects: ['1'.repeat(64), miniWeights.source.sha256, miniWeights.converted.sha256],
    datasets: ['none'],
  });
});
