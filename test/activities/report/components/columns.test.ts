import { expect, test } from 'vitest';
import { listColumns } from '../../../../activities/report/components/columns.ts';
import { referencesFor } from '../../../../activities/plan/recipe-facts.ts';
import { sampleReport } from '../../../fixtures/sample-report.ts';

const { plan } = sampleReport();
const columnsOf = (name: string, dataset = 'coco-2017') =>
  listColumns({
    references: referencesFor(name),
    plan: { ...plan, recipe: { ...plan.recipe, name }, dataset: { ...plan.dataset, id: dataset } },
  }).map(({ label, isCompared }) => `${isCompared ? 'compared' : 'also'}: ${label}`);

test('listColumns compares the blog’s recipe with the blog and also lists paper and released model', () => {
  expect(columnsOf('cascade-mask-rcnn_swin-s_blog')).toEqual([
    'compared: blog (4x RTX 3090, 91 h)',
    "compared: blog author's second run",
    'also: released model',
    'also: paper, table 2',
  ]);
});

test('listColumns compares the paper’s recipe with the paper and also lists the blog', () => {
  expect(columnsOf('cascade-mask-rcnn_swin-s_paper')).toEqual([
    'compared: released model',
    'compared: paper, table 2',
    'also: blog (4x RTX 3090, 91 h)',
  ]);
});

test('listColumns lists nothing for another dataset or an unpublished recipe', () => {
  expect(columnsOf('cascade-mask-rcnn_swin-b_blog', 'my-photos')).toEqual([]);
  expect(columnsOf('cascade-mask-rcnn_swin-demo')).toEqual([]);
});
