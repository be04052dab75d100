import { expect, test } from 'vitest';
import { formatCardScores, renderModelCard } from '../../../activities/detector/model-card.ts';
import { miniPlan } from '../../helpers/mini-run.ts';
import { someMetrics } from '../../helpers/stub-activities.ts';

const facts = {
  plan: miniPlan,
  metrics: someMetrics,
  classes: ['disc', 'a | <b>\n# c'],
  environment: { mmdet: '3.5.1' },
};

test('renderModelCard states scores, classes, origin and the epochs of the weights', () => {
  const card = renderModelCard(facts);
  expect(card).toContain('for 2 classes');
  expect(card).toContain('| AP | @\\[ IoU=0.50:0.95 \\| area=all \\| maxDets=100 \\] | 0.500 | 0.500 |');
  expect(formatCardScores(card)).toBe('This detector reached box AP 0.500 and mask AP 0.500 on 24 validation images.');
  expect(card).toContain('0. disc\n1. a \\| &lt;b&gt; \\# c\n');
  expect(card).toContain('| epochs | weights after 3 epochs (step 30); 3 epochs planned |');
  expect(card).toContain(`| recipe | mini, sha256 ${miniPlan.recipe.sha256} |`);
  expect(card).toContain('everswin 0.0.0, mmdet 3.5.1');
});

test('renderModelCard says that an evaluation trained nothing', () => {
  const source = { file: 'w', urls: ['file:///w'], bytes: 1, sha256: null };
  const plan = { ...miniPlan, epochs: 0, weights: { detector: { id: 'released', source } } };
  const card = renderModelCard({ ...facts, plan, classes: ['disc'] });
  expect(card).toContain('for 1 class,');
  expect(card).toContain('| epochs | none: the weights were evaluated as they are |');
  expect(card).toContain('| weights | released, sha256 not published |');
});
