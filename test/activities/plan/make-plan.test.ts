import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { makePlan, type PlanDependencies } from '../../../activities/plan/make-plan.ts';
import { Catalog } from '../../../configs/schema/index.ts';
import { miniInput, miniPlan } from '../../helpers/mini-run.ts';
import { projectRoot, python, recipesFolder } from '../../helpers/project.ts';

const dependencies: PlanDependencies & { signal: AbortSignal } = {
  home: '/nowhere',
  recipesFolder,
  python: { executable: python, env: {} },
  versions: miniPlan.versions,
  catalog: Catalog.parse(JSON.parse(readFileSync(`${projectRoot}/configs/catalog.json`, 'utf8'))),
  pagesUrl: undefined,
  findWeights: () => Promise.reject(new Error('names are checked first')),
  signal: new AbortController().signal,
};

test('makePlan names everything unknown at once, because a client may have other recipes or no checks', async () => {
  const weights = {
    title: 'mine',
    source: { file: 'a.pth', urls: ['https://example.org/a'], bytes: null, sha256: null },
  };
  const catalog = { datasets: {}, weights: { mine: weights } };
  const input = { ...miniInput, recipe: 'swin-demo', dataset: 'mini-cocos', weights: { detector: 'mime' }, catalog };
  const error = await makePlan(dependencies, input).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'UnknownRecipe' });
  const lines = String(error)
    .split('\n')
    .map((line) => line.replace(/ Available: .*/, ''));
  expect(lines).toEqual([
    'CodedError: The run input has 4 problems:',
    '- recipe: There is no recipe "swin-demo": did you mean "cascade-mask-rcnn_swin-demo"?',
    '- dataset: The catalog has no data set "mini-cocos": did you mean "mini-coco"?',
    '- weights.detector: The catalog has no weights "mime": did you mean "mine"?',
    expect.stringContaining('- catalog: The input uses hosts that configs/catalog.json does not list: example.org.'),
    expect.stringMatching(/^Next: /),
  ]);
});

test('makePlan lists the valid names when a single one is unknown', async () => {
  const known = { recipe: 'cascade-mask-rcnn_swin-demo', weights: { backbone: 'swin-mini-imagenet1k' } };
  await expect(makePlan(dependencies, { ...miniInput, ...known, dataset: 'other' })).rejects.toMatchObject({
    code: 'NotInCatalog',
    message: expect.stringMatching(
      /^The catalog has no data set "other". Available: coco-2017, mini-coco.\n/,
    ) as string,
  });
});
