import { expect, test } from 'vitest';
import { checkInputs } from '../../../activities/preflight/check-inputs.ts';
import { checkWeights } from '../../../activities/preflight/check-weights.ts';
import type { RunPlan } from '../../../configs/schema/index.ts';
import { samplePlan } from '../../fixtures/sample-report.ts';

const fileAt = (url: string) => ({ file: 'file', urls: [url], bytes: null, sha256: null, files: null });
const planOf = (urls: string[], detector: string): RunPlan => ({
  ...samplePlan,
  dataset: { ...samplePlan.dataset, id: 'own', archives: urls.map(fileAt) },
  weights: { detector: { id: detector, source: fileAt(`file://${detector}`) } },
});

const size = { downloadBytes: 3e6, diskBytes: 3e6 };
const check = (plan: RunPlan, refusal: string | null = null) =>
  checkInputs((files) => Promise.resolve(files.map((file) => ({ file, size, refusal }))), plan);

test('checkInputs copies local files, packs local folders, and downloads the rest', async () => {
  const plan = planOf(['https://a/b.zip', 'file:///images/', 'file:///a.json', 'file:///b.json'], '/best.pth');
  expect((await check(plan)).map(({ message }) => message)).toEqual([
    'own: 6.0 MB to copy, 3.0 MB to pack, 3.0 MB to download in 4 of 4 files',
    '/best.pth: 3.0 MB to copy in 1 file',
  ]);
});

test('checkInputs names the place of a wrong path', async () => {
  const local = await check(planOf(['file:///a.json'], '/best.pth'), 'It does not exist');
  expect(local.map(({ remedy }) => remedy)).toEqual([
    'Fix the files, or correct their paths in the input.',
    'Fix the files, or correct their paths in the input.',
  ]);
  const [remote] = await check(planOf(['https://a/b.zip'], '/best.pth'), 'It does not exist');
  expect(remote?.remedy).toContain('correct the URLs of own in the input or in configs/catalog.json');
});

test('checkWeights names a file whose classes are not known yet', () => {
  expect(checkWeights(planOf([], '/best.pth'))).toMatchObject([
    { name: 'starting weights', message: expect.stringMatching(/^\/best.pth; its classes are read when/) as string },
  ]);
});
